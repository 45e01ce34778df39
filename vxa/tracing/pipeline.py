"""Tracing of a diffusers pipeline: each of its calls becomes a TracedCall."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from vxa.attention.hooks import watch
from vxa.attention.sites import SelfAttentionSpec, Site, SiteSpec, select_sites, watched_sites
from vxa.errors import ModelError, RecordingError, SettingError
from vxa.maps.attention_maps import AttentionMaps, Provenance
from vxa.maps.region import fitted_region
from vxa.maps.selection import TokenSpec, WordSpec
from vxa.maps.steps import Bins, Schedule
from vxa.models import load
from vxa.models.pipeline_call import PipelineCall
from vxa.models.pipeline_session import CallListener, StartedCall, TakenStep, listen
from vxa.models.prompt_events import EncodedPrompts
from vxa.models.session import Pass, Row
from vxa.tracing.call_info import GenerationInfo, Settings
from vxa.tracing.generation import TracedCall
from vxa.tracing.graph import GraphRecorder
from vxa.tracing.prompts import PromptSpec, Reader
from vxa.tracing.recorder import Recorder
from vxa.version import versions

__all__ = ["Trace", "trace"]


class Trace:
    """Generations traced in one `with` block: complete when it has ended, readable earlier."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = weakref.ref(pipeline)  # kept maps must not keep a model in memory
        self._calls: list[TracedCall | GraphRecorder] = []
        self._reason = ""

    @property
    def pipeline(self) -> Any:
        """Traced pipeline, to be called in the block; None once it is gone."""
        return self._pipeline()

    @property
    def calls(self) -> tuple[TracedCall | GraphRecorder, ...]:
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
            reason = self._reason or "no pass of the pipeline was made in the block, by its thread"
            raise RecordingError(f"nothing was traced: {reason}; call the pipeline that was given to trace")


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
    on_step: Callable[[Any], object] | None = None,
    grad: bool = False,
) -> Iterator[Trace]:
    """Trace every generation of a pipeline that this thread runs in the block.

    The generated images stay the same bit for bit. One float32 sum is kept for each image and attention layer
    (site), of 4 bytes × tokens × queries. For one image, all sites together take 8 MB with SD1 at 512² and
    32 MB with SDXL at 1024², whatever the number of steps. Where a mask or a callback changes the latents
    after a step, as in inpainting, one sum more is held while the next step is open.

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
            at 512². On papercut's `dev` pictures, all steps, mean IoU is 0.702 with it and 0.577 without
            (benchmarks/papercut.py, choices).
        prompt: the text of `prompt_embeds`, if the pipeline is called with them: one text, or one text (or
            its Tokens) per prompt.
        negative_prompt: likewise for `negative_prompt_embeds`.
        on_step: called after each step with its TracedCall. Its `maps` are those so far, copied at each
            access; its `step` and `steps` give the progress. An exception it raises ends the generation.
        grad: keep the attention of the last pass instead of sums, on the network's device and with its graph,
            for losses on `maps[0].tensor("hat")`. Every pass with the call's prompts counts then, also one of
            an optimisation. The settings words, tokens, bins and heads are not needed: all of it is there.

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
    settings = Settings(bins, heads, negative, self_attention, grad)
    if words is not None and tokens is not None:
        raise SettingError(f"both words {words!r} and tokens {tokens!r} were given; choose by one of them")
    cross = tuple(site for site in model.sites if site.kind == "cross")
    if sites is not None:
        _check_sites(cross, sites)
    with watch(model.network, cross, lambda site, call: None):
        pass  # raises for a network that cannot be watched, before anything is generated
    reader = Reader(model, negative, words, tokens, prompt, negative_prompt)
    tracer = _Tracer(model, sites, settings, reader, on_step)
    with listen(model, tracer):
        yield tracer.trace


def _check_sites(cross: Sequence[Site], sites: SiteSpec) -> None:
    """Raise SiteError for entries that name no site. Grids ("16x16") are checked at the first pass."""
    entries = sites.split(",") if isinstance(sites, str) else list(sites or ())
    known = [entry for entry in entries if "x" not in str(entry) or not str(entry).strip()[:1].isdigit()]
    if known or not entries:
        select_sites(cross, known)


class _Tracer(CallListener):
    """Link from the pipeline's calls to the trace: each becomes a TracedCall, which a Recorder fills."""

    def __init__(
        self,
        model: Any,
        sites: SiteSpec,
        settings: Settings,
        reader: Reader,
        on_step: Callable[[Any], object] | None,
    ) -> None:
        self.trace = Trace(model.pipeline)
        self._model, self._sites, self._settings = model, sites, settings
        self._reader, self._on_step = reader, on_step
        self._recorder: Recorder | GraphRecorder | None = None
        self.counts = not settings.grad
        self._state: PipelineCall | None = None
        self._told = 0

    def on_encode(self, encoded: EncodedPrompts) -> None:
        """Remember the texts of the embeddings."""
        self._reader.on_encode(encoded)

    def begin_call(self, call: StartedCall) -> None:
        """Begin a TracedCall with the call's prompts."""
        self.end_call()
        model, state = self._model, call.state
        readings = self._reader.readings(call.encoded)
        sites = watched_sites(model.sites, self._sites, call.latent_size, self._settings.self_attention)
        schedule, info = Schedule(state.steps.levels), self._info(call)
        if self._settings.grad:
            self._recorder = GraphRecorder(model.network, sites, readings, info, schedule.steps)
        else:
            traced = TracedCall(sites, readings, schedule, self._settings, info, lambda: _remarks(state))
            numbers = {Row(each.image, negative=each.negative): place for place, each in enumerate(readings)}
            self._recorder = Recorder(traced, model.network, numbers.get)
        self._state, self._told = state, 0
        self.trace._calls.append(self._recorder.call)

    def _info(self, call: StartedCall) -> GenerationInfo:
        model = self._model
        provenance = Provenance(
            model.name, "", 0, "generated", None, versions(), (*model.pipeline_notes, *call.notes)
        )
        default = model.default_sites if self._sites is None else "all"
        if call.crop is not None:
            region = fitted_region(call.crop.box, call.crop.plane)
            return GenerationInfo(provenance, default, call.crop.image_size, region=region)
        height, width = call.latent_size
        pixels = model.pixels_per_latent
        return GenerationInfo(provenance, default, (height * pixels, width * pixels))

    def end_call(self) -> None:
        """End the TracedCall and remove its hooks."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.close()
            recorder.call.finish()
            if self._state is not None and not recorder.call.passes:
                self.trace._reason = self._state.reason

    def before_pass(self, run: Pass | None) -> None:
        """Record the pass."""
        if self._recorder is not None:
            self._recorder.before_pass(run)

    def after_pass(self, run: Pass | None) -> None:
        """Count the pass."""
        if self._recorder is not None:
            self._recorder.after_pass(run)

    def fail_pass(self) -> None:
        """Drop the pass."""
        if self._recorder is not None:
            self._recorder.fail_pass()

    def settle(self, run: Pass, rows: Mapping[int, Row]) -> None:
        """Count what the step used. In a loop that steps no scheduler, that is the step's end."""
        if self._recorder is not None:
            self._recorder.settle(run, rows)
            if self._state is not None and not self._state.is_stepped:
                self._tell()

    def after_step(self, step: TakenStep) -> None:
        """Tell the user of the step."""
        self._tell()

    def _tell(self) -> None:
        """Call `on_step` if a pass was counted since it was called last."""
        if self._recorder is None or self._on_step is None or self._recorder.call.passes == self._told:
            return
        self._told = self._recorder.call.passes
        self._on_step(self._recorder.call)


def _remarks(state: PipelineCall) -> tuple[str, ...]:
    """Return the notes on what was kept apart."""
    notes = []
    if state.apart:
        notes.append(f"passes kept apart, which no step of the sampler used: {state.apart}")
    if state.repeated:
        notes.append(
            "further readings of the prompt kept apart, such as those of perturbed attention: "
            f"{state.repeated}"
        )
    return tuple(notes)
