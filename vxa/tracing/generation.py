"""One generation under watch: the running sums of each image's prompts, and the maps made of them.

A call knows nothing of pipelines. Its host says before each pass which row of the batch reads which prompt
and at which timestep, and hands it what `attention.hooks` hands on:

    call = TracedCall(sites, readings, schedule, settings, facts)
    call.begin(latent_size, timestep, rows={2: 0, 3: 1})    # row 2 reads readings[0]
    …                                                        # the forward, under watch(…, call.receive)
    call.maps                                              # AttentionMaps of each image, so far
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from vxa.attention.recording import check_pair, scale_of
from vxa.attention.sites import SelfAttentionSpec, Site
from vxa.attention.sums import SiteSum
from vxa.errors import RecordingError
from vxa.maps.attention_maps import AttentionMaps, Provenance
from vxa.maps.steps import Bins, CountedSteps, Schedule, check_bins
from vxa.tokens import Token

__all__ = ["GenerationInfo", "Settings", "TracedCall", "TracedPrompt"]


@dataclass(frozen=True)
class Settings:
    """What a trace keeps.

    Attributes:
        bins: step bins of as equal a length as can be; "each" keeps every step by itself.
        heads: keep each head by itself, not their mean alone.
        negative: keep what the negative prompt's words attend to, too.
        self_attention: keep it too, the mean of its heads; True, or its sites.

    Raises SettingError for bins that are no whole number from 1, nor "each".
    """

    bins: Bins = 1
    heads: bool = False
    negative: bool = False
    self_attention: SelfAttentionSpec = False

    def __post_init__(self) -> None:
        check_bins(self.bins)


@dataclass(frozen=True, eq=False)
class TracedPrompt:
    """One prompt of one image: what some row of every pass attends to.

    Attributes:
        image: the image's number in its call.
        prompt: its text.
        tokens: one for each position of the context.
        negative: whether it is the negative prompt.
        kept: the tokens to keep; None is all.
    """

    image: int
    prompt: str
    tokens: tuple[Token, ...]
    negative: bool = False
    kept: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class GenerationInfo:
    """What all maps of a call share.

    Attributes:
        provenance: of the model; prompt and timesteps are filled in.
        default_sites: what `sites=None` reads.
        image_size: (height, width) of the image.
        extent: the fraction (of height, of width) of the latent's plane that is image.
    """

    provenance: Provenance
    default_sites: str
    image_size: tuple[int, int]
    extent: tuple[float, float] = (1.0, 1.0)


class TracedCall:
    """The running sums of one generation."""

    def __init__(
        self,
        sites: Sequence[Site],
        readings: Sequence[TracedPrompt],
        schedule: Schedule | CountedSteps,
        settings: Settings,
        facts: GenerationInfo,
    ) -> None:
        self.sites, self.readings, self.schedule = tuple(sites), list(readings), schedule
        self.passes = 0
        self.step: int | None = None
        self._settings, self._facts = settings, facts
        self._latent_size = (0, 0)
        self._seen: set[int] = set()
        self._rows: Mapping[int, int] = {}
        self._sums: dict[tuple[int, str], SiteSum] = {}
        self._finished: dict[int, AttentionMaps] | None = None

    @property
    def steps(self) -> int:
        """Number of steps of the schedule."""
        return self.schedule.steps

    @property
    def nbytes(self) -> int:
        """What the sums hold: it does not grow with steps."""
        return sum(running.nbytes for running in self._sums.values())

    @property
    def maps(self) -> tuple[AttentionMaps, ...]:
        """The maps of each image for its prompt, as far as they are; none before the first pass."""
        return self._maps(negative=False)

    @property
    def negative_maps(self) -> tuple[AttentionMaps, ...]:
        """The maps of each image for its negative prompt; none unless they were asked for and used."""
        return self._maps(negative=True)

    @property
    def read(self) -> tuple[tuple[TracedPrompt, AttentionMaps], ...]:
        """Each reading that was read at every site, and its maps so far."""
        return tuple((self.readings[number], self._now(number)) for number in self._numbers())

    def begin(self, latent_size: tuple[int, int], timestep: float, rows: Mapping[int, int]) -> None:
        """Announce a pass: which rows of the batch read which readings. Raises RecordingError for another
        size than before, or a timestep that is not in the schedule."""
        if self._sums and latent_size != self._latent_size:
            raise RecordingError(
                f"the latent changed from {self._latent_size} to {latent_size} within one generation: "
                "the network is run on tiles or crops; switch that off"
            )
        self._latent_size, self._rows = latent_size, rows
        self.step = self.schedule.step_of(timestep)

    def receive(self, site: Site, layer: nn.Module, query: Tensor, key: Tensor) -> None:
        """Add one site's attention of the announced pass."""
        grid = site.grid(self._latent_size)
        check_pair(site, query, key, self._latent_size, tuple(self._rows))
        scale = scale_of(site, layer, query)
        assert self.step is not None
        step_bin = self.schedule.bin_of(self.step, self._settings.bins)
        for row, number in self._rows.items():
            running = self._sums.get((number, site.name))
            if running is None:
                running = self._running(site, grid, self.readings[number], query, key)
                self._sums[number, site.name] = running
            running.add(query[row], key[row], scale, step_bin)

    def end_pass(self) -> None:
        """Count the pass."""
        assert self.step is not None
        self._seen.add(self.step)
        self.passes += 1

    def finish(self) -> None:
        """No pass comes any more: the maps are made of the sums themselves, without a copy."""
        if self._finished is None:
            self._finished = {number: self._made(number, final=True) for number in self._numbers()}

    def _running(
        self, site: Site, grid: tuple[int, int], reading: TracedPrompt, query: Tensor, key: Tensor
    ) -> SiteSum:
        own = site.kind == "self"
        if not own and key.shape[1] != len(reading.tokens):
            raise RecordingError(
                f"site {site.label} ({site.name}) attended to {key.shape[1]} tokens, and the prompt has "
                f"{len(reading.tokens)}: its context was added to; unload what does that"
            )
        return SiteSum(
            grid,
            site.heads,
            key.shape[1],
            bins=self.schedule.count(self._settings.bins),
            apart=self._settings.heads and not own,
            kept=None if own else reading.kept,
            device=query.device,
        )

    def _numbers(self) -> list[int]:
        """The readings that were read at every site."""
        if not self.passes:
            return []
        every = range(len(self.readings))
        return [number for number in every if all((number, site.name) in self._sums for site in self.sites)]

    def _maps(self, negative: bool) -> tuple[AttentionMaps, ...]:
        wanted = [number for number in self._numbers() if self.readings[number].negative == negative]
        return tuple(self._now(number) for number in wanted)

    def _now(self, number: int) -> AttentionMaps:
        return self._finished[number] if self._finished else self._made(number, final=False)

    def _made(self, number: int, final: bool) -> AttentionMaps:
        reading, facts = self.readings[number], self._facts
        sums = {site.name: self._sums[number, site.name] for site in self.sites}
        records = {name: running.release() if final else running.record() for name, running in sums.items()}
        counts = zip(*(record.passes for record in records.values()), strict=True)
        filled = tuple(place for place, count in enumerate(counts) if min(count))
        maps = AttentionMaps(
            sites=tuple(site for site in self.sites if site.kind == "cross"),
            tokens=reading.tokens,
            image_size=facts.image_size,
            extent=facts.extent,
            latent_size=self._latent_size,
            provenance=replace(facts.provenance, prompt=reading.prompt, notes=self._notes()),
            records=records,
            default_sites=facts.default_sites,
            self_sites=tuple(site for site in self.sites if site.kind == "self"),
            steps=self.schedule.bins(self._settings.bins),
        )
        return maps.of_bins(filled)

    def _notes(self) -> tuple[str, ...]:
        notes = self._facts.provenance.notes
        if len(self._seen) < self.steps:
            notes += (f"read {len(self._seen)} of {self.steps} steps",)
        return notes
