"""Tracing of a sampling that the webui runs, one call of its denoiser at a time.

    sampling = Sampling(options)
    sampling.enter(call)          # before the denoiser runs the network: adds hooks
    …                             # the network's forwards
    sampling.leave()              # after it: removes the hooks

Tracing never ends or changes a generation: if something cannot be traced, `problem` becomes one sentence and
the sampling goes on without hooks. Hooks are on the network only during a call of the denoiser, so a network
that the webui exchanges between calls keeps none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import ReferenceType, ref

from torch import nn

from vxa.attention.sites import watched_sites
from vxa.errors import VxaError, WordError
from vxa.maps.attention_maps import Provenance
from vxa.maps.selection import token_groups, union
from vxa.maps.steps import CountedSteps
from vxa.models.ldm.model import LdmModel
from vxa.models.session import Pass, Row, announced
from vxa.tokens import Token
from vxa.tracing.call_info import GenerationInfo, Settings, TracedPrompt
from vxa.tracing.generation import TracedCall
from vxa.tracing.recorder import NumberOf, Recorder
from vxa.ui.handlers import sentence
from vxa.version import versions
from vxa.webui import strings
from vxa.webui.generation.options import NEGATIVE, STEPS, TraceOptions
from vxa.webui.generation.rows import Rows, remove_mark

__all__ = ["DenoiserCall", "Sampling"]

_BINS = 8  # columns of the strip over the steps; each needs as much memory as a trace without the strip


@dataclass(frozen=True, eq=False)
class DenoiserCall:
    """One call of the webui's denoiser, which is about to run the network.

    Attributes:
        model: the model in use now.
        tokens: returns the model's tokens of a text: one Token for each position of the context.
        rows: the rows of the call and their texts.
        latent_size: (height, width).
        step, steps: the sampler's current step and their number, as the host counts them.
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
        options: the options of the generation.
        on_failure: called when the network itself raises.

    Attributes:
        calls: one TracedCall for each network that the sampling used.
        problem: one sentence on why there are no maps; blank if there are.
        steps: number of steps begun, and number of steps planned.
    """

    def __init__(self, options: TraceOptions, on_failure: Callable[[], None] = lambda: None) -> None:
        self.calls: list[TracedCall] = []
        self.problem = ""
        self.steps = (0, 0)
        self._options, self._on_failure = options, on_failure
        self._networks: list[ReferenceType[nn.Module]] = []
        self._prompt_numbers: dict[tuple[int, Row, int], int | None] = {}
        self._missing: dict[tuple[int, str], WordError] = {}
        self._found: set[tuple[int, str]] = set()
        self._watch: _DenoiserWatch | None = None

    def enter(self, call: DenoiserCall) -> None:
        """Watch the network until `leave`; do nothing after a problem."""
        self.release()
        if self.problem:
            return
        try:
            number = self._call_of(call)
            self.steps = (call.step + 1, call.steps)
            self._watch = _DenoiserWatch(
                call, self.calls[number], lambda row: self._prompt_number(number, call, row),
                self.give_up, self._on_failure,
            )  # fmt: skip
        except VxaError as error:
            self.give_up(error)

    def leave(self) -> None:
        """Remove the hooks after the denoiser's call; check that the network ran on all of its rows."""
        hooks = self._watch
        self.release()
        if hooks is not None and not self.problem:
            try:
                hooks.denoiser_call.rows.check()
            except VxaError as error:
                self.give_up(error)

    def release(self) -> None:
        """Remove every hook, whether or not the forward succeeded."""
        hooks, self._watch = self._watch, None
        if hooks is not None:
            hooks.close()

    def finish(self) -> None:
        """Finish the sums: the denoiser makes no further call."""
        self.release()
        for call in self.calls:
            call.finish()

    def missing_words(self, image: int) -> list[str]:
        """Return a note for each requested word that no text of the image has."""
        return [
            strings.missing_word(str(error))
            for (of, phrase), error in self._missing.items()
            if of == image and (of, phrase) not in self._found
        ]

    def give_up(self, error: Exception) -> None:
        """Stop tracing and set `problem`; an error that is no VxaError is logged with its traceback."""
        self.problem = self.problem or strings.not_traced(sentence(error))
        self.release()

    def _call_of(self, call: DenoiserCall) -> int:
        """Return the index of the network's traced call; begin one if the network is new."""
        network = call.model.network
        for number, known in enumerate(self._networks):
            if known() is network:
                return number
        spec = self._options.sites or call.model.default_sites
        sites = watched_sites(call.model.sites, spec, call.latent_size, self._options.refine)
        settings = Settings(_BINS if STEPS in self._options.show else 1, self_attention=self._options.refine)
        provenance = Provenance(call.model.name, "", 0, "generated", None, versions(), call.model.notes)
        facts = GenerationInfo(provenance, "all", call.latent_size)
        self.calls.append(TracedCall(sites, (), CountedSteps(call.steps), settings, facts))
        self._networks.append(ref(network))
        return len(self.calls) - 1

    def _prompt_number(self, number: int, call: DenoiserCall, row: Row) -> int | None:
        """Return the index of a row's prompt in the numbered traced call; None if no picture needs it."""
        if row.negative and NEGATIVE not in self._options.show:
            return None
        key = (number, row, call.rows.length)
        if key not in self._prompt_numbers:
            self._prompt_numbers[key] = self._add_prompt(self.calls[number], call, row)
        return self._prompt_numbers[key]

    def _add_prompt(self, traced: TracedCall, call: DenoiserCall, row: Row) -> int | None:
        tokens = _pad_or_cut(call.tokens(row.text), call.rows.length)
        indices = tuple(token.index for token in tokens if token.special is None)
        if self._options.words and not row.negative:
            indices = self._word_indices(tokens, row.image)
        if not indices:
            return None
        traced.readings.append(TracedPrompt(row.image, row.text, tokens, row.negative, indices))
        return len(traced.readings) - 1

    def _word_indices(self, tokens: tuple[Token, ...], image: int) -> tuple[int, ...]:
        """Return the token indices of the requested words that the text has; note which it has and lacks."""
        groups: list[tuple[int, ...]] = []
        for phrase in self._options.phrases:
            try:
                groups += token_groups(tokens, [phrase])[1]
                self._found.add((image, phrase))
            except WordError as error:
                self._missing.setdefault((image, phrase), error)
        return union(groups)


class _DenoiserWatch(Recorder):
    """Recorder of one call of the denoiser, whose rows are announced in their order."""

    def __init__(
        self,
        call: DenoiserCall,
        traced: TracedCall,
        number_of: NumberOf,
        give_up: Callable[[Exception], None],
        on_failure: Callable[[], None],
    ) -> None:
        network = call.model.network
        super().__init__(traced, network, number_of, give_up)
        self.denoiser_call, self._on_failure = call, on_failure
        try:
            self._hooks.enter_context(announced(network, self._announce, self, give_up))
        except BaseException:
            self.close()
            raise

    def _announce(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Pass:
        named = dict(zip(("x", "timesteps", "context"), args, strict=False)) | dict(kwargs)
        sample, timestep = named["x"], float(named["timesteps"].reshape(-1)[0])
        latent_size = (sample.shape[-2], sample.shape[-1])
        rows = self.denoiser_call.rows.take(remove_mark(named["context"]), latent_size)
        schedule = self.call.schedule
        assert isinstance(schedule, CountedSteps)
        step = schedule.at(self.denoiser_call.step, timestep)
        return Pass(step, timestep, latent_size, dict(enumerate(rows)))

    def fail_pass(self) -> None:
        """Tell that the network raised."""
        super().fail_pass()
        self._on_failure()


def _pad_or_cut(tokens: tuple[Token, ...], length: int) -> tuple[Token, ...]:
    """Pad or cut the tokens to a context's length, as the webui does with prompts of different lengths."""
    rest = range(len(tokens), length)
    return (*tokens[:length], *(Token(index, 0, "<pad>", None, "pad") for index in rest))
