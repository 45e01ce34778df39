"""Running attention sums of one generation, per image and prompt, and the maps built from them.

A call is independent of pipelines. Before each pass the host announces the timestep and the prompt that each
row of the batch reads, and it passes `receive` to `vxa.attention.hooks.watch`:

    call = TracedCall(sites, readings, schedule, settings, facts)
    call.begin(latent_size, timestep, rows={2: 0, 3: 1})    # row 2 reads readings[0], row 3 readings[1]
    …                                                        # the forward, under watch(…, call.receive)
    call.end_pass()
    call.maps                                                # AttentionMaps of each image so far
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
    """Options of a trace.

    Attributes:
        bins: the number of step bins, of equal length or lengths that differ by one; "each" keeps every step
            separately.
        heads: keep each head separately instead of their mean.
        negative: keep the attention to the negative prompt too.
        self_attention: keep it too, as the mean of its heads: True, or the self-attention sites.

    Raises SettingError for bins that are neither a whole number from 1 nor "each".
    """

    bins: Bins = 1
    heads: bool = False
    negative: bool = False
    self_attention: SelfAttentionSpec = False

    def __post_init__(self) -> None:
        check_bins(self.bins)


@dataclass(frozen=True, eq=False)
class TracedPrompt:
    """Prompt of one image, read by one row of each pass.

    Attributes:
        image: the image's index in its call.
        prompt: the text.
        tokens: one for each position of the context.
        negative: whether it is the negative prompt.
        kept: the indices of the tokens to keep; None is all.
        notes: facts about this prompt that a reader of its maps must know.
    """

    image: int
    prompt: str
    tokens: tuple[Token, ...]
    negative: bool = False
    kept: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class GenerationInfo:
    """Properties that all maps of a call share.

    Attributes:
        provenance: the model's; the call fills in the prompt and the timesteps.
        default_sites: the sites that `sites=None` reads.
        image_size: (height, width) of the image.
        extent: the fraction (of height, of width) of the padded image that is image.
    """

    provenance: Provenance
    default_sites: str
    image_size: tuple[int, int]
    extent: tuple[float, float] = (1.0, 1.0)


class TracedCall:
    """Running attention sums of one generation."""

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
        self._settings, self._info = settings, facts
        self._latent_size = (0, 0)
        self._steps_seen: set[int] = set()
        self._rows: Mapping[int, int] = {}
        self._sums: dict[tuple[int, str], SiteSum] = {}
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

    def begin(self, latent_size: tuple[int, int], timestep: float, rows: Mapping[int, int]) -> None:
        """Announce a pass: `rows` maps each row of the batch to the index of the prompt that it reads.

        Raises RecordingError if the latent's size changed, or the timestep is not in the schedule.
        """
        if self._sums and latent_size != self._latent_size:
            raise RecordingError(
                f"the latent changed from {self._latent_size} to {latent_size} within one generation: "
                "the network is run on tiles or crops; switch that off"
            )
        self._latent_size, self._rows = latent_size, rows
        self.step = self.schedule.step_of(timestep)

    def receive(self, site: Site, layer: nn.Module, query: Tensor, key: Tensor) -> None:
        """Add one site's attention in the announced pass to the sums."""
        grid = site.grid(self._latent_size)
        check_pair(site, query, key, self._latent_size, tuple(self._rows))
        scale = scale_of(site, layer, query)
        assert self.step is not None
        step_bin = self.schedule.bin_of(self.step, self._settings.bins)
        for row, number in self._rows.items():
            running = self._sums.get((number, site.name))
            if running is None:
                running = self._create_sum(site, grid, self.readings[number], query, key)
                self._sums[number, site.name] = running
            running.add(query[row], key[row], scale, step_bin)

    def end_pass(self) -> None:
        """Count the announced pass as done."""
        assert self.step is not None
        self._steps_seen.add(self.step)
        self.passes += 1

    def finish(self) -> None:
        """End the call: no pass follows, so the maps take over the sums without a copy."""
        if self._finished is None:
            self._finished = {
                number: self._build_maps(number, final=True) for number in self._complete_prompts()
            }

    def _create_sum(
        self, site: Site, grid: tuple[int, int], prompt: TracedPrompt, query: Tensor, key: Tensor
    ) -> SiteSum:
        own = site.kind == "self"
        if not own and key.shape[1] != len(prompt.tokens):
            raise RecordingError(
                f"site {site.label} ({site.name}) attended to {key.shape[1]} tokens, and the prompt has "
                f"{len(prompt.tokens)}: its context was added to; unload what does that"
            )
        return SiteSum(
            grid,
            site.heads,
            key.shape[1],
            bins=self.schedule.count(self._settings.bins),
            apart=self._settings.heads and not own,
            kept=None if own else prompt.kept,
            device=query.device,
        )

    def _complete_prompts(self) -> list[int]:
        """Return the indices of the prompts that every site has read."""
        if not self.passes:
            return []
        every = range(len(self.readings))
        return [number for number in every if all((number, site.name) in self._sums for site in self.sites)]

    def _maps(self, negative: bool) -> tuple[AttentionMaps, ...]:
        numbers = [
            number for number in self._complete_prompts() if self.readings[number].negative == negative
        ]
        return tuple(self._current_maps(number) for number in numbers)

    def _current_maps(self, number: int) -> AttentionMaps:
        return self._finished[number] if self._finished else self._build_maps(number, final=False)

    def _build_maps(self, number: int, final: bool) -> AttentionMaps:
        prompt, info = self.readings[number], self._info
        sums = {site.name: self._sums[number, site.name] for site in self.sites}
        records = {name: running.release() if final else running.record() for name, running in sums.items()}
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
        )
        return maps.of_bins(filled)

    def _notes(self, prompt: TracedPrompt) -> tuple[str, ...]:
        notes = (*self._info.provenance.notes, *prompt.notes)
        if len(self._steps_seen) < self.steps:
            notes += (f"read {len(self._steps_seen)} of {self.steps} steps",)
        return notes
