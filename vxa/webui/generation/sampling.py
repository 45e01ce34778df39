"""Watching a sampling of somebody else's, from one call of its denoiser to the next.

    sampling = Sampling(wanted)
    sampling.enter(call)          # the denoiser is about to run the network
    …                             # its forwards
    sampling.leave()              # it has: nothing of ours is on the network

Nothing here ends or changes a generation: what cannot be watched becomes `problem`, one sentence, and the
sampling goes on unwatched. Hooks are on the network within a call of the denoiser alone, so that a network
that is exchanged on the way is left as it was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from weakref import ReferenceType, ref

from torch import Tensor, nn

from vxa.attention.hooks import watch
from vxa.attention.sites import Site, watched_sites
from vxa.errors import VxaError, WordError
from vxa.maps.attention_maps import Provenance
from vxa.maps.selection import token_groups, union
from vxa.maps.steps import CountedSteps
from vxa.models.ldm.model import LdmModel
from vxa.tokens import Token
from vxa.tracing.generation import GenerationInfo, Settings, TracedCall, TracedPrompt
from vxa.ui.handlers import sentence
from vxa.version import versions
from vxa.webui import strings
from vxa.webui.generation.options import NEGATIVE, STEPS, TraceOptions
from vxa.webui.generation.rows import RowPrompt, Rows, unmarked

__all__ = ["DenoiserCall", "Sampling"]

_BINS = 8  # columns of the strip over the steps; each takes the memory of the whole without it


@dataclass(frozen=True, eq=False)
class DenoiserCall:
    """One call of the webui's denoiser, about to run the network.

    Attributes:
        model: the model in use now.
        tokens: what it makes of a text: one Token for each position of the context.
        rows: what its rows read.
        latent_size: (height, width).
        step, steps: of the sampler, as the host counts them.
    """

    model: LdmModel
    tokens: Callable[[str], tuple[Token, ...]]
    rows: Rows
    latent_size: tuple[int, int]
    step: int
    steps: int


class Sampling:
    """One sampling of one batch.

    Args:
        wanted: what is to be shown of it.
        failed: told when the network itself raises.

    Attributes:
        calls: what was traced: one for each network that the sampling went through.
        problem: why there is nothing to show, in one sentence; blank where there is.
        steps: how many steps were begun, and how many there were to be.
    """

    def __init__(self, wanted: TraceOptions, failed: Callable[[], None] = lambda: None) -> None:
        self.calls: list[TracedCall] = []
        self.problem = ""
        self.steps = (0, 0)
        self._wanted, self._failed = wanted, failed
        self._networks: list[ReferenceType[nn.Module]] = []
        self._readings: dict[tuple[int, RowPrompt, int], int | None] = {}
        self._unknown: dict[tuple[int, str], WordError] = {}
        self._known: set[tuple[int, str]] = set()
        self._watching: _Watching | None = None

    def enter(self, call: DenoiserCall) -> None:
        """Watch the network until `leave`."""
        self.release()
        if self.problem:
            return
        try:
            number = self._call_of(call)
            traced = self.calls[number]
            assert isinstance(traced.schedule, CountedSteps)
            traced.schedule.enter(call.step)
            self.steps = (call.step + 1, call.steps)
            self._watching = _Watching(
                call, traced, lambda spoken, length: self._reading(number, call, spoken, length),
                self.give_up, self._failed,
            )  # fmt: skip
        except VxaError as error:
            self.give_up(error)

    def leave(self) -> None:
        """The denoiser has run the network on all its rows: take every hook away."""
        watching = self._watching
        self.release()
        if watching is not None and not self.problem:
            try:
                watching.call.rows.check()
            except VxaError as error:
                self.give_up(error)

    def release(self) -> None:
        """Take every hook away, whatever became of the forward."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.close()

    def finish(self) -> None:
        """No call of the denoiser comes any more."""
        self.release()
        for call in self.calls:
            call.finish()

    def unknown(self, image: int) -> list[str]:
        """A sentence for each wanted word that no text of the image has."""
        return [
            strings.missing_word(str(error))
            for (of, phrase), error in self._unknown.items()
            if of == image and (of, phrase) not in self._known
        ]

    def give_up(self, error: Exception) -> None:
        """Have no maps, and say why; what is no VxaError keeps its traceback in the log."""
        self.problem = self.problem or strings.not_traced(sentence(error))
        self.release()

    def _call_of(self, call: DenoiserCall) -> int:
        """The number of the traced call that the model's network belongs to, begun where it is a new one."""
        network = call.model.network
        for number, known in enumerate(self._networks):
            if known() is network:
                return number
        spec = self._wanted.sites or call.model.default_sites
        sites = watched_sites(call.model.sites, spec, call.latent_size, self._wanted.refine)
        settings = Settings(_BINS if STEPS in self._wanted.show else 1, self_attention=self._wanted.refine)
        provenance = Provenance(call.model.name, "", 0, "generated", None, versions(), call.model.notes)
        facts = GenerationInfo(provenance, "all", call.latent_size)
        self.calls.append(TracedCall(sites, (), CountedSteps(call.steps), settings, facts))
        self._networks.append(ref(network))
        return len(self.calls) - 1

    def _reading(self, number: int, call: DenoiserCall, spoken: RowPrompt, length: int) -> int | None:
        """The number of the reading of a row with a context of `length`; None for one nobody wants."""
        if spoken.negative and NEGATIVE not in self._wanted.show:
            return None
        key = (number, spoken, length)
        if key not in self._readings:
            self._readings[key] = self._read(self.calls[number], call, spoken, length)
        return self._readings[key]

    def _read(self, traced: TracedCall, call: DenoiserCall, spoken: RowPrompt, length: int) -> int | None:
        tokens = _fitted(call.tokens(spoken.text), length)
        kept = tuple(token.index for token in tokens if token.special is None)
        if self._wanted.words and not spoken.negative:
            kept = self._kept(tokens, spoken.image)
        if not kept:
            return None
        traced.readings.append(TracedPrompt(spoken.image, spoken.text, tokens, spoken.negative, kept))
        return len(traced.readings) - 1

    def _kept(self, tokens: tuple[Token, ...], image: int) -> tuple[int, ...]:
        """The tokens of the wanted words that the text has."""
        groups: list[tuple[int, ...]] = []
        for phrase in self._wanted.phrases:
            try:
                groups += token_groups(tokens, [phrase])[1]
                self._known.add((image, phrase))
            except WordError as error:
                self._unknown.setdefault((image, phrase), error)
        return union(groups)


class _Watching:
    """The hooks of one call of the denoiser: on the network, and on each wanted site."""

    def __init__(
        self,
        call: DenoiserCall,
        traced: TracedCall,
        reading: Callable[[RowPrompt, int], int | None],
        give_up: Callable[[Exception], None],
        failed: Callable[[], None],
    ) -> None:
        self.call = call
        self._traced, self._reading, self._give_up, self._failed = traced, reading, give_up, failed
        self._thread = threading.get_ident()
        self._rows: dict[int, int] = {}
        self._handles = ExitStack()
        with ExitStack() as handles:  # taken away again where one cannot be made
            network = call.model.network
            self._watcher = handles.enter_context(watch(network, traced.sites, self._receive, give_up))
            for handle in (
                network.register_forward_pre_hook(self._before, with_kwargs=True),
                network.register_forward_hook(self._after, always_call=True),
            ):
                handles.callback(handle.remove)
            self._handles = handles.pop_all()

    def close(self) -> None:
        """Take them away."""
        self._handles.close()

    def _before(self, network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if threading.get_ident() != self._thread:
            return
        try:
            sample, timesteps, context = _inputs(args, kwargs)
            latent_size = (sample.shape[-2], sample.shape[-1])
            spoken = self.call.rows.take(context, latent_size)
            numbers = {row: self._reading(one, context.shape[1]) for row, one in enumerate(spoken)}
            self._rows = {row: number for row, number in numbers.items() if number is not None}
            self._watcher.reset()
            if self._rows:
                self._traced.begin(latent_size, float(timesteps.reshape(-1)[0]), self._rows)
        except Exception as error:  # the generation is not ours to end
            self._give_up(error)

    def _receive(self, site: Site, layer: nn.Module, query: Tensor, key: Tensor) -> None:
        if self._rows:
            self._traced.receive(site, layer, query, key)

    def _after(self, network: nn.Module, args: Any, output: Any) -> None:
        if threading.get_ident() != self._thread:
            return
        if output is None:  # the forward raised; hooks cannot be taken away while torch goes through them
            self._failed()
            return
        try:
            self._watcher.check()
            if self._rows:
                self._traced.end_pass()
        except Exception as error:
            self._give_up(error)


def _inputs(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """The latents, the timesteps and the context that ldm's network is called with and reads."""
    named = dict(zip(("x", "timesteps", "context"), args, strict=False)) | kwargs
    return named["x"], named["timesteps"], unmarked(named["context"])


def _fitted(tokens: tuple[Token, ...], length: int) -> tuple[Token, ...]:
    """The tokens for a context of that length: a prompt beside a longer one is padded, or cut."""
    rest = range(len(tokens), length)
    return (*tokens[:length], *(Token(index, 0, "<pad>", None, "pad") for index in rest))
