"""Steps of a generation: its schedule of noise levels, and bins of steps whose attention is summed.

    schedule = Schedule.of(pipeline.scheduler.timesteps)
    schedule.step_of(961.0)                        # 1
    schedule.bins(4)[0]                            # StepBin(first=0, last=4, highest=981.0, lowest=741.0)

A step is one noise level, in the order of the schedule. Second-order samplers run the network twice at most
levels, or at levels in between. Passes are therefore counted separately, and a step is never inferred from
the number of calls.
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
    """Range of steps from `first` to `last`, and their `highest` and `lowest` timestep."""

    first: int
    last: int
    highest: float
    lowest: float

    @property
    def label(self) -> str:
        """Label of the steps: "step 3", "steps 0-4"."""
        return f"step {self.first}" if self.first == self.last else f"steps {self.first}-{self.last}"


class Steps:
    """Steps of a generation, divisible into bins of equal length (or lengths that differ by one)."""

    @property
    def steps(self) -> int:
        """Number of steps."""
        raise NotImplementedError

    def levels(self, first: int, last: int) -> list[float]:
        """Return the known timesteps of the steps from `first` to `last`."""
        raise NotImplementedError

    def count(self, bins: Bins) -> int:
        """Return the number of bins, at most the number of steps."""
        steps = max(1, self.steps)
        return steps if bins == "each" else min(bins, steps)

    def bin_of(self, step: int, bins: Bins) -> int:
        """Return the index of the step's bin."""
        return step * self.count(bins) // self.steps

    def bins(self, bins: Bins) -> tuple[StepBin, ...]:
        """Return the bins in order."""
        groups: list[list[int]] = [[] for _ in range(self.count(bins))]
        for step in range(self.steps):
            groups[self.bin_of(step, bins)].append(step)
        return tuple(self._bin(group[0], group[-1]) for group in groups)

    def _bin(self, first: int, last: int) -> StepBin:
        levels = self.levels(first, last) or [0.0]
        return StepBin(first, last, max(levels), min(levels))


@dataclass(frozen=True)
class Schedule(Steps):
    """Noise level of each step of one generation, in sampling order."""

    timesteps: tuple[float, ...]

    @classmethod
    def of(cls, timesteps: Iterable[float]) -> Schedule:
        """Create a schedule from a sampler's timesteps, which may repeat."""
        return cls(tuple(dict.fromkeys(float(timestep) for timestep in timesteps)))

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.timesteps)

    def levels(self, first: int, last: int) -> list[float]:
        """Return the timesteps of the steps from `first` to `last`."""
        return list(self.timesteps[first : last + 1])

    def step_of(self, timestep: float) -> int:
        """Return the step with this timestep. Raises RecordingError if there is none."""
        step = min(range(len(self.timesteps)), key=lambda i: abs(self.timesteps[i] - timestep), default=None)
        if step is None or abs(self.timesteps[step] - timestep) > 1e-3 * max(1.0, abs(timestep)):
            raise RecordingError(
                f"the network ran at timestep {timestep:g}, which is not in the sampler's schedule of "
                f"{len(self.timesteps)}; use a pipeline that follows its scheduler's timesteps"
            )
        return step


class CountedSteps(Steps):
    """Steps numbered by the host, which announces each step before its passes and has no schedule in advance.

    steps = CountedSteps(20)
    steps.at(3, 812.4)                             # 3; records 812.4 as a timestep of step 3
    """

    def __init__(self, steps: int) -> None:
        self._steps = max(1, steps)
        self._levels: dict[int, set[float]] = {}

    @property
    def steps(self) -> int:
        """Expected number of steps."""
        return self._steps

    def levels(self, first: int, last: int) -> list[float]:
        """Return the timesteps seen at the steps from `first` to `last`; a second-order step has two."""
        return [level for step in range(first, last + 1) for level in self._levels.get(step, ())]

    def at(self, step: int, timestep: float) -> int:
        """Return the step of a pass, and record its timestep. Steps beyond the expected count as the last."""
        step = min(step, self._steps - 1)
        self._levels.setdefault(step, set()).add(timestep)
        return step


def check_bins(bins: object) -> Bins:
    """Return the bins if they are a whole number from 1, or "each". Raises SettingError otherwise."""
    if bins == "each":
        return "each"
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise SettingError(f'bins {bins!r} is not allowed; give a whole number from 1, or "each"')
    return bins


def check_steps(steps: tuple[StepBin, ...]) -> None:
    """Raise ValueError unless the bins are in order, do not overlap, and have valid steps and timesteps."""
    last = -1
    for each in steps:
        if not type(each.first) is type(each.last) is int or not last < each.first <= each.last < 2**31:
            raise ValueError("steps out of order")
        if not -1e9 < each.lowest <= each.highest < 1e9:
            raise ValueError("steps without timesteps")
        last = each.last


def bins_of(kept: tuple[StepBin, ...], steps: str | int) -> tuple[int, ...]:
    """Return the indices of the kept bins that make up `steps`, written as "0-4, 9" or a number.

    Raises SettingError if a bin holds other steps too, TokenIndexError if `steps` cannot be parsed.
    """
    if not kept:
        raise SettingError("these maps are of one pass and have no steps; give maps of a trace")
    last = max(each.last for each in kept)
    requested = set(parse_indices(str(steps), last + 1))
    chosen = [number for number, each in enumerate(kept) if requested & set(range(each.first, each.last + 1))]
    covered = {step for number in chosen for step in range(kept[number].first, kept[number].last + 1)}
    if covered != requested:
        listed = ", ".join(f"{each.first}-{each.last}" for each in kept)
        raise SettingError(
            f'steps {steps!r} are not kept by themselves; the bins are {listed}; trace with bins="each"'
        )
    return tuple(chosen)
