"""Tracing of a diffusers pipeline: each of its calls becomes a TracedCall."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from vxa.attention.hooks import Watch, watch
from vxa.attention.sites import SelfAttentionSpec, Site, SiteSpec, select_sites, watched_sites
from vxa.errors import ModelError, RecordingError, SettingError
from vxa.maps.attention_maps import AttentionMaps, Provenance
from vxa.maps.selection import TokenSpec, WordSpec
from vxa.maps.steps import Bins, Schedule
from vxa.models import load
from vxa.models.prompt_events import EncodedPrompts, listen_to_prompts
from vxa.tracing.generation import GenerationInfo, Settings, TracedCall
from vxa.tracing.prompts import PromptSpec, Reader
from vxa.tracing.rows import inputs_of, rows_of
from vxa.version import versions

__all__ = ["Trace", "trace"]


class Trace:
    """Generations traced in one `with` block: complete when it has ended, readable earlier."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = weakref.ref(pipeline)  # kept maps must not keep a model in memory
        self._calls: list[TracedCall] = []

    @property
    def pipeline(self) -> Any:
        """Traced pipeline, to be called in the block; None once it is gone."""
        return self._pipeline()

    @property
    def calls(self) -> tuple[TracedCall, ...]:
        """Generations of the block that made at least one pass."""
        return tuple(call for call in self._calls if call.passes)

    @property
    def maps(self) -> tuple[AttentionMaps, ...]:
        """Maps of every image of every call, in the pipeline's order.

        Raises:
            RecordingError: no generation was traced.
        """
        self._check()
        return tuple(maps for call in self.calls for maps in call.maps)

    @property
    def negative_maps(self) -> tuple[AttentionMaps, ...]:
        """Maps of every image for its negative prompt.

        Raises:
            RecordingError: no generation was traced, or no negative prompt was.
        """
        self._check()
        found = tuple(maps for call in self.calls for maps in call.negative_maps)
        if not found:
            raise RecordingError(
                "no negative prompt was traced; trace with negative=True, and generate with guidance"
            )
        return found

    @property
    def nbytes(self) -> int:
        """Size of all sums in bytes: it grows with images, and with steps only if bins="each"."""
        return sum(call.nbytes for call in self._calls)

    def _check(self) -> None:
        if not self.calls:
            raise RecordingError(
                "nothing was traced: no pass of the pipeline was made in the block, by its thread; call the "
                "pipeline that was given to trace"
            )


@contextmanager
def trace(
    source: object,
    *,
    words: WordSpec = None,
    tokens: TokenSpec = None,
    sites: SiteSpec = None,
    bins: Bins = 1,
    heads: bool = False,
    negative: bool = False,
    self_attention: SelfAttentionSpec = False,
    prompt: PromptSpec = None,
    negative_prompt: PromptSpec = None,
    on_step: Callable[[TracedCall], object] | None = None,
) -> Iterator[Trace]:
    """Trace every generation of a pipeline that this thread runs in the block.

    The generated images stay the same bit for bit. One float32 sum is kept for each image and attention layer
    (site), of 4 bytes × tokens × queries. For one image, all sites together take 8 MB with SD1 at 512² and
    32 MB with SDXL at 1024², whatever the number of steps.

    Args:
        source: a pipeline, a model with one, or a name or path for `vxa.load`; `trace.pipeline` is it.
        words: keep only these words (one of 77 tokens needs 1/77 of the memory); None is every token.
        tokens: instead of words: keep only these indices.
        sites: the cross-attention sites to trace, in the grammar of `vxa.attention.sites`; None is all.
        bins: keep the steps in this many bins, or "each". Memory grows in proportion to the bins.
        heads: keep each head separately. Memory is multiplied by the number of heads.
        negative: trace the negative prompt too. Memory and work double.
        self_attention: trace it too, for `heat_map(refine=True)`: True, or the sites. It takes 4 bytes ×
            queries² per site. True is the up part's finest grid that is small enough, 4 MB per site with SD1
            at 512². On papercut's `dev` pictures, all steps, mean IoU is 0.637 with it and 0.563 without
            (benchmarks/papercut.py, maps_generated).
        prompt: the text of `prompt_embeds`, if the pipeline is called with them: one text, or one text (or
            its Tokens) per prompt.
        negative_prompt: likewise for `negative_prompt_embeds`.
        on_step: called after each pass with its TracedCall. Its `maps` are those so far, copied at each
            access; its `step` and `steps` give the progress. An exception it raises ends the generation.

    Raises:
        ModelError: the source has no pipeline that VXA can trace.
        RecordingError: the network cannot be recorded faithfully (compiled, fused, replaced, tiled).
        SettingError, SiteError: an argument is invalid.
        WordError, TokenIndexError: none of the prompts has the word or token; raised by the pipeline's call.
    """
    model: Any = load(source)
    pipeline = getattr(model, "pipeline", None)
    if pipeline is None:
        raise ModelError(f"the model {model.name} has no pipeline to trace; give a diffusers pipeline")
    settings = Settings(bins, heads, negative, self_attention)
    if words is not None and tokens is not None:
        raise SettingError(f"both words {words!r} and tokens {tokens!r} were given; choose by one of them")
    cross = tuple(site for site in model.sites if site.kind == "cross")
    if sites is not None:
        _check_sites(cross, sites)
    with watch(model.network, cross, _ignore):
        pass  # raises for a network that cannot be watched, before anything is generated
    reader = Reader(model, negative, words, tokens, prompt, negative_prompt)
    tracer = _Tracer(model, sites, settings, reader, on_step)
    with ExitStack() as stack:
        stack.callback(tracer.end_call)
        stack.enter_context(listen_to_prompts(pipeline, tracer.on_encode))
        yield tracer.trace


def _ignore(site: Site, layer: nn.Module, query: Tensor, key: Tensor) -> None:
    pass


def _check_sites(cross: Sequence[Site], sites: SiteSpec) -> None:
    """Raise SiteError for entries that name no site. Grids ("16x16") are checked at the first pass."""
    entries = sites.split(",") if isinstance(sites, str) else list(sites or ())
    known = [entry for entry in entries if "x" not in str(entry) or not str(entry).strip()[:1].isdigit()]
    if known or not entries:
        select_sites(cross, known)


class _Tracer:
    """Link from pipeline to trace: each `encode_prompt` starts a call, to which passes are added."""

    def __init__(
        self,
        model: Any,
        sites: SiteSpec,
        settings: Settings,
        reader: Reader,
        on_step: Callable[[TracedCall], object] | None,
    ) -> None:
        self.trace = Trace(model.pipeline)
        self._model, self._sites, self._settings = model, sites, settings
        self._reader, self._on_step = reader, on_step
        self._thread = threading.get_ident()
        self._hooks = ExitStack()
        self._encoded: EncodedPrompts | None = None
        self._call: TracedCall | None = None
        self._watcher: Watch | None = None

    def on_encode(self, encoded: EncodedPrompts) -> None:
        """Start a new call with these prompts; its passes follow."""
        self.end_call()
        self._encoded = encoded
        self._reader.on_encode(encoded)
        network = self._model.network  # read anew: adapters may have been loaded since the last call
        for handle in (
            network.register_forward_pre_hook(self._before, with_kwargs=True),
            network.register_forward_hook(self._after),
        ):
            self._hooks.callback(handle.remove)

    def end_call(self) -> None:
        """End the current call and remove its hooks."""
        self._hooks.close()
        if self._call is not None:
            self._call.finish()
        self._call = self._watcher = self._encoded = None

    def _before(
        self, network: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        # While the hook is removed, a pass of another thread may still call it once, without kwargs.
        if threading.get_ident() != self._thread or self._encoded is None:
            return
        sample, timestep, context = inputs_of(args, kwargs)
        latent_size = (sample.shape[-2], sample.shape[-1])
        if self._call is None:
            self._start(network, latent_size)
        assert self._call is not None
        assert self._watcher is not None
        self._watcher.reset()
        rows = rows_of(self._encoded, context, self._settings.negative)
        self._call.begin(latent_size, timestep, rows)

    def _start(self, network: nn.Module, latent_size: tuple[int, int]) -> None:
        assert self._encoded is not None
        model = self._model
        chosen = watched_sites(model.sites, self._sites, latent_size, self._settings.self_attention)
        provenance = Provenance(model.name, "", 0, "generated", None, versions(), model.pipeline_notes)
        default = model.default_sites if self._sites is None else "all"
        pixels = 2 ** (len(model.pipeline.vae.config.block_out_channels) - 1)
        self._call = TracedCall(
            chosen,
            self._reader.readings(self._encoded),
            Schedule.of(model.pipeline.scheduler.timesteps.tolist()),
            self._settings,
            GenerationInfo(provenance, default, (latent_size[0] * pixels, latent_size[1] * pixels)),
        )
        self._watcher = self._hooks.enter_context(watch(network, chosen, self._call.receive))
        self.trace._calls.append(self._call)

    def _after(self, network: nn.Module, args: Any, output: Any) -> None:
        if threading.get_ident() != self._thread or self._call is None or self._watcher is None:
            return
        self._watcher.check()
        self._call.end_pass()
        if self._on_step is not None:
            self._on_step(self._call)
