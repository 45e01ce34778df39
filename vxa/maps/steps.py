"""The steps of a generation: its schedule of noise levels, and bins of steps that are summed together.

    schedule = Schedule.of(pipeline.scheduler.timesteps)
    schedule.step_of(961.0)                        # 1
    schedule.bins(4)[0]                            # StepBin(first=0, last=4, highest=981.0, lowest=741.0)

A step is one noise level, in the order of the schedule. Second-order samplers run the network twice at most
levels, or at levels in between, so passes are counted apart; no step is known by counting calls.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from vxa.errors import RecordingError, SettingError
from vxa.tokens import parse_indices

__all__ = ["Bins", "CountedSteps", "Schedule", "StepBin", "bins_of", "check_bins", "check_steps"]

Bins = int | Literal["each"]


@dataclass(frozen=True)
class StepBin:
    """Some steps in a row, from `first` to `last`, and their `highest` and `lowest` timestep."""

    first: int
    last: int
    highest: float
    lowest: float

    @property
    def label(self) -> str:
        """The steps as people write them: "step 3", "steps 0-4"."""
        return f"step {self.first}" if self.first == self.last else f"steps {self.first}-{self.last}"


class Steps:
    """So many steps in a row, and how they are summed together in bins as equal as they can be."""

    @property
    def steps(self) -> int:
        """How many there are."""
        raise NotImplementedError

    def levels(self, first: int, last: int) -> list[float]:
        """The timesteps, as far as they are known, of the steps from `first` to `last`."""
        raise NotImplementedError

    def count(self, bins: Bins) -> int:
        """The number of bins, never more than steps."""
        steps = max(1, self.steps)
        return steps if bins == "each" else min(bins, steps)

    def bin_of(self, step: int, bins: Bins) -> int:
        """The bin that the step is in."""
        return step * self.count(bins) // self.steps

    def bins(self, bins: Bins) -> tuple[StepBin, ...]:
        """The bins in order."""
        groups: list[list[int]] = [[] for _ in range(self.count(bins))]
        for step in range(self.steps):
            groups[self.bin_of(step, bins)].append(step)
        return tuple(self._bin(group[0], group[-1]) for group in groups)

    def _bin(self, first: int, last: int) -> StepBin:
        levels = self.levels(first, last) or [0.0]
        return StepBin(first, last, max(levels), min(levels))


@dataclass(frozen=True)
class Schedule(Steps):
    """The noise levels of one generation, each once, in the order they are gone through."""

    timesteps: tuple[float, ...]

    @classmethod
    def of(cls, timesteps: Iterable[float]) -> Schedule:
        """The schedule of a sampler's timesteps, which may repeat."""
        return cls(tuple(dict.fromkeys(float(timestep) for timestep in timesteps)))

    @property
    def steps(self) -> int:
        """How many there are."""
        return len(self.timesteps)

    def levels(self, first: int, last: int) -> list[float]:
        """The timesteps of the steps from `first` to `last`."""
        return list(self.timesteps[first : last + 1])

    def step_of(self, timestep: float) -> int:
        """The step with this timestep. Raises RecordingError where there is none."""
        step = min(range(len(self.timesteps)), key=lambda i: abs(self.timesteps[i] - timestep), default=None)
        if step is None or abs(self.timesteps[step] - timestep) > 1e-3 * max(1.0, abs(timestep)):
            raise RecordingError(
                f"the network ran at timestep {timestep:g}, which is not in the sampler's schedule of "
                f"{len(self.timesteps)}; use a pipeline that follows its scheduler's timesteps"
            )
        return step


class CountedSteps(Steps):
    """The steps of a host that tells before each pass which one it is at, and no schedule before.

    steps = CountedSteps(20)
    steps.enter(3)
    steps.step_of(812.4)                           # 3; the level is one of step 3's
    """

    def __init__(self, steps: int) -> None:
        self._steps = max(1, steps)
        self._step = 0
        self._levels: dict[int, set[float]] = {}

    @property
    def steps(self) -> int:
        """How many there are to be."""
        return self._steps

    def levels(self, first: int, last: int) -> list[float]:
        """The timesteps that came at the steps from `first` to `last`: a step of second order has two."""
        return [level for step in range(first, last + 1) for level in self._levels.get(step, ())]

    def enter(self, step: int) -> None:
        """What comes is of this step; a sampler that makes more of them than it said stays at the last."""
        self._step = min(step, self._steps - 1)

    def step_of(self, timestep: float) -> int:
        """The step that was entered, whose timestep this is."""
        self._levels.setdefault(self._step, set()).add(timestep)
        return self._step


def check_bins(bins: object) -> Bins:
    """The bins, as they may be given: a whole number from 1, or "each". Raises SettingError."""
    if bins == "each":
        return "each"
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise SettingError(f'bins {bins!r} is not allowed; give a whole number from 1, or "each"')
    return bins


def check_steps(steps: tuple[StepBin, ...]) -> None:
    """Raise ValueError unless the bins are whole steps in order, without overlaps."""
    last = -1
    for each in steps:
        if not type(each.first) is type(each.last) is int or not last < each.first <= each.last < 2**31:
            raise ValueError("steps out of order")
        if not -1e9 < each.lowest <= each.highest < 1e9:
            raise ValueError("steps without timesteps")
        last = each.last


def bins_of(kept: tuple[StepBin, ...], steps: str | int) -> tuple[int, ...]:
    """The numbers of the kept bins that hold `steps`, written as "0-4, 9" or a number.

    Raises SettingError unless they fill the bins they are in, TokenIndexError where they cannot be read.
    """
    if not kept:
        raise SettingError("these maps are of one pass and have no steps; give maps of a trace")
    last = max(each.last for each in kept)
    wanted = set(parse_indices(str(steps), last + 1))
    chosen = [number for number, each in enumerate(kept) if wanted & set(range(each.first, each.last + 1))]
    covered = {step for number in chosen for step in range(kept[number].first, kept[number].last + 1)}
    if covered != wanted:
        listed = ", ".join(f"{each.first}-{each.last}" for each in kept)
        raise SettingError(
            f'steps {steps!r} are not kept by themselves; the bins are {listed}; trace with bins="each"'
        )
    return tuple(chosen)
