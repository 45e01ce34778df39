"""Running attention sums of one generation, per image and prompt, and the maps built from them.

A call is independent of pipelines. A host announces its passes (`vxa.models.session`) and says which prompt
each row reads; a `Recorder` adds the attention of each pass:

    call = TracedCall(sites, readings, schedule, settings, facts)
    with Recorder(call, network, number_of) as recorder, announced(network, announce, recorder):
        …                                        # the network's forwards
    call.maps                                    # AttentionMaps of each image so far
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from vxa.attention.batches import CallBatch
from vxa.attention.calls import Product
from vxa.attention.recording import check_shape, not_finite
from vxa.attention.row_attention import RowAttention
from vxa.attention.sites import Site
from vxa.errors import RecordingError
from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.steps import CountedSteps, Schedule
from vxa.models.session import Pass
from vxa.tracing.call_info import GenerationInfo, Settings, TracedPrompt
from vxa.tracing.prompt_sums import PromptSums

__all__ = ["TracedCall"]


class TracedCall:
    """Running attention sums of one generation.

    Attributes:
        passes: the number of passes counted.
        step: the step of the last one.
        remarks: returns notes on what was kept apart, for the maps' provenance.
    """

    def __init__(
        self,
        sites: Sequence[Site],
        readings: Sequence[TracedPrompt],
        schedule: Schedule | CountedSteps,
        settings: Settings,
        facts: GenerationInfo,
        remarks: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self.sites, self.readings, self.schedule = tuple(sites), list(readings), schedule
        self.passes = 0
        self.step: int | None = None
        self.remarks = remarks
        self._settings, self._info = settings, facts
        self._latent_size: tuple[int, int] | None = None
        self._steps_seen: set[int] = set()
        self._run: Pass | None = None
        self._numbers: Mapping[int, int] = {}
        self._batch = CallBatch(self._add)
        self._sums: dict[int, PromptSums] = {}  # by the index of their prompt
        self._pending: dict[Pass, dict[int, PromptSums]] = {}  # by the place of their row
        self._finished: dict[int, AttentionMaps] | None = None

    @property
    def steps(self) -> int:
        """Number of steps of the schedule."""
        return self.schedule.steps

    @property
    def nbytes(self) -> int:
        """Size of the sums in bytes; it grows with the number of bins, not of steps."""
        return sum(running.nbytes for running in self._sums.values())

    @property
    def maps(self) -> tuple[AttentionMaps, ...]:
        """Maps of each image for its prompt, so far; empty before the first pass."""
        return self._maps(negative=False)

    @property
    def negative_maps(self) -> tuple[AttentionMaps, ...]:
        """Maps of each image for its negative prompt; empty unless it was traced and guidance used it."""
        return self._maps(negative=True)

    @property
    def read(self) -> tuple[tuple[TracedPrompt, AttentionMaps], ...]:
        """Pairs of traced prompt and its maps so far, for the prompts that every site has read."""
        return tuple(
            (self.readings[number], self._current_maps(number)) for number in self._complete_prompts()
        )

    def begin(self, run: Pass, numbers: Mapping[int, int]) -> None:
        """Begin a pass: `numbers` has the index of the prompt that each row of the batch reads, by its place.

        Raises RecordingError if the latent's size changed within the call.
        """
        if run.certain:
            self._check_size(run)
        else:
            self._pending[run] = {}
        self._run, self._numbers = run, numbers
        self._batch.clear()

    def receive(self, site: Site, call: Product) -> None:
        """Add one site's attention in the pass to the sums, now or with that of other sites.

        Raises RecordingError where its shape fits neither the site nor the prompt.
        """
        assert self._run is not None
        check_shape(site, call, self._run.latent_size, self._numbers)
        if site.kind == "cross":
            for number in self._numbers.values():
                _check_tokens(site, call, self.readings[number])
        self._batch.receive(site, call, self._numbers)

    def end_pass(self) -> None:
        """Count the pass; an uncertain one is counted when it is settled."""
        assert self._run is not None
        self._batch.flush()
        if self._run.certain:
            self._count(self._run)

    def drop_pass(self) -> None:
        """Forget the pass that was begun: its forward raised."""
        self._batch.clear()
        if self._run is not None:
            self._pending.pop(self._run, None)

    def settle(self, run: Pass, numbers: Mapping[int, int]) -> bool:
        """Count the rows of an uncertain pass that its step used, drop the others; return whether any was.

        Raises RecordingError if the latent's size changed within the call.
        """
        pending = self._pending.pop(run, {})
        used = {place: sums for place, sums in pending.items() if place in numbers}
        if not used:
            return False
        self._check_size(run)
        for place, sums in used.items():
            self._take_over(numbers[place], sums, run)
        self._count(run)
        return True

    def finish(self) -> None:
        """End the call: no pass follows, so the maps take over the sums without a copy.

        Maps that cannot be made raise where they are asked for.
        """
        self._pending.clear()
        self._batch.clear()
        if self._finished is not None:
            return
        with suppress(RecordingError):
            self._finished = {
                number: self._build_maps(number, final=True) for number in self._complete_prompts()
            }

    def _check_size(self, run: Pass) -> None:
        if self._latent_size not in (None, run.latent_size):
            raise RecordingError(
                f"the latent changed from {self._latent_size} to {run.latent_size} within one generation: "
                "the network is run on tiles or crops; switch that off"
            )
        self._latent_size = run.latent_size

    def _count(self, run: Pass) -> None:
        self.step = run.step
        self._steps_seen.add(run.step)
        self.passes += 1

    def _bin_of(self, run: Pass) -> int:
        return self.schedule.bin_of(run.step, self._settings.bins)

    def _add(self, sites: Sequence[Site], place: int, attention: RowAttention, scratch: int) -> None:
        """Add a row's attention to the sums of its prompt; of an uncertain pass, to sums of its own."""
        run, number = self._run, self._numbers[place]
        assert run is not None
        if run.certain:
            sums, step_bin = self._sums.get(number), self._bin_of(run)
            if sums is None:
                sums = self._sums[number] = self._new_sums(number, run, self._bins)
        else:
            sums, step_bin = self._pending[run].get(place), 0
            if sums is None:
                sums = self._pending[run][place] = self._new_sums(number, run, bins=1)
        sums.add(sites, attention, step_bin, scratch)

    @property
    def _bins(self) -> int:
        """Number of step bins."""
        return self.schedule.count(self._settings.bins)

    def _new_sums(self, number: int, run: Pass, bins: int) -> PromptSums:
        return PromptSums(run.latent_size, bins, self._settings.heads, self.readings[number].kept)

    def _take_over(self, number: int, sums: PromptSums, run: Pass) -> None:
        """Add the sums of a settled pass; the first become the running sums, where those have one bin."""
        if number not in self._sums and self._bins == 1:
            self._sums[number] = sums
            return
        if number not in self._sums:
            self._sums[number] = self._new_sums(number, run, self._bins)
        self._sums[number].add_all(sums, self._bin_of(run))

    def _complete_prompts(self) -> list[int]:
        """Return the indices of the prompts that every site has read."""
        if not self.passes:
            return []
        return [number for number in sorted(self._sums) if self._sums[number].has(self.sites)]

    def _maps(self, negative: bool) -> tuple[AttentionMaps, ...]:
        numbers = [
            number for number in self._complete_prompts() if self.readings[number].negative == negative
        ]
        return tuple(self._current_maps(number) for number in numbers)

    def _current_maps(self, number: int) -> AttentionMaps:
        return self._finished[number] if self._finished else self._build_maps(number, final=False)

    def _build_maps(self, number: int, final: bool) -> AttentionMaps:
        prompt, info = self.readings[number], self._info
        sums = self._sums[number]
        bad = next((site for site in self.sites if not sums.is_finite(site)), None)
        if bad is not None:
            raise RecordingError(not_finite(f"site {bad.label} ({bad.name})"))
        assert self._latent_size is not None
        records = {site.name: sums.record(site, final) for site in self.sites}
        counts = zip(*(record.passes for record in records.values()), strict=True)
        filled = tuple(place for place, count in enumerate(counts) if min(count))
        maps = AttentionMaps(
            sites=tuple(site for site in self.sites if site.kind == "cross"),
            tokens=prompt.tokens,
            image_size=info.image_size,
            extent=info.extent,
            latent_size=self._latent_size,
            provenance=replace(info.provenance, prompt=prompt.prompt, notes=self._notes(prompt)),
            records=records,
            default_sites=info.default_sites,
            self_sites=tuple(site for site in self.sites if site.kind == "self"),
            steps=self.schedule.bins(self._settings.bins),
            region=info.region,
        )
        return maps.of_bins(filled)

    def _notes(self, prompt: TracedPrompt) -> tuple[str, ...]:
        notes = (*self._info.provenance.notes, *prompt.notes)
        if len(self._steps_seen) < self.steps:
            notes += (f"read {len(self._steps_seen)} of {self.steps} steps",)
        return (*notes, *self.remarks())


def _check_tokens(site: Site, call: Product, prompt: TracedPrompt) -> None:
    """Raise RecordingError unless the site attends to the prompt's tokens."""
    tokens = call.shape[3]
    if tokens != len(prompt.tokens):
        raise RecordingError(
            f"site {site.label} ({site.name}) attended to {tokens} tokens, and the prompt has "
            f"{len(prompt.tokens)}: something added tokens to what it reads; unload what does that"
        )
