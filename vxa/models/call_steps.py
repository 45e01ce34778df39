"""Entries of a scheduler's schedule that one call of a pipeline runs through, and the steps they make up.

steps = CallSteps.starting_at(timestep, scheduler, running)
len(steps.levels)                              # 8
steps.expects(961.0)                           # whether the next entry is of this timestep
steps.advance()                                # after the scheduler's step
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from vxa.errors import RecordingError

__all__ = ["CallSteps", "is_same_level"]


@dataclass
class CallSteps:
    """Position of a call within its schedule.

    Attributes:
        entries: the timesteps of the entries that run, in order.
        step_of: the index of each entry's step.
        position: the index of the current entry.
    """

    entries: tuple[float, ...]
    step_of: tuple[int, ...]
    position: int = 0

    @classmethod
    def starting_at(cls, timestep: float, scheduler: Any, running: int | None) -> CallSteps:
        """Return the entries from the one of `timestep` on; `running` is their number, where it is known.

        A call on an image skips the first entries of its schedule. Raises RecordingError if no entry has
        the timestep.
        """
        entries = [float(each) for each in scheduler.timesteps.tolist()]
        first = _first_entry(timestep, entries, getattr(scheduler, "begin_index", None), running)
        steps = _steps_of(entries, getattr(scheduler, "num_inference_steps", None))
        last = first + running if running else len(entries)
        if last > len(entries):
            last = len(entries)
        return cls(tuple(entries[first:last]), tuple(each - steps[first] for each in steps[first:last]))

    @property
    def levels(self) -> tuple[float, ...]:
        """Timestep of each step: that of its first entry."""
        first = dict(zip(reversed(self.step_of), reversed(self.entries), strict=True))
        return tuple(first[step] for step in sorted(first))

    @property
    def step(self) -> int:
        """Index of the current step."""
        return self.step_of[min(self.position, len(self.step_of) - 1)]

    @property
    def is_over(self) -> bool:
        """Whether every entry was stepped through."""
        return self.position >= len(self.entries)

    def expects(self, timestep: float) -> bool:
        """Return whether the current entry has this timestep."""
        return not self.is_over and is_same_level(self.entries[self.position], timestep)

    def next_of(self, timestep: float) -> int | None:
        """Return the index of the next entry after the current one with this timestep."""
        later = range(self.position + 1, len(self.entries))
        return next((place for place in later if is_same_level(self.entries[place], timestep)), None)


def is_same_level(first: float, second: float) -> bool:
    """Return whether two timesteps are one, up to the rounding of half precision."""
    return abs(first - second) <= 1e-3 * max(1.0, abs(second))


def _first_entry(timestep: float, entries: Sequence[float], begin: int | None, running: int | None) -> int:
    """Return the entry that a call begins at: its scheduler's own word, or the last `running` ones' first.

    Without either, it is the first entry of the timestep.
    """
    for place in (begin, len(entries) - running if running else None):
        if place is not None and 0 <= place < len(entries) and is_same_level(entries[place], timestep):
            return place
    nearest = min(range(len(entries)), key=lambda place: abs(entries[place] - timestep), default=None)
    if nearest is None or not is_same_level(entries[nearest], timestep):
        raise RecordingError(
            f"the network ran at timestep {timestep:g}, which is not in the sampler's schedule of "
            f"{len(entries)}; use a pipeline that follows its scheduler's timesteps"
        )
    return nearest


def _steps_of(entries: Sequence[float], asked: int | None) -> list[int]:
    """Return the step of each entry.

    A step is an entry where the scheduler has as many as were asked for; their timesteps may be equal. Where
    it has more (schedulers of second order, PNDM's warm-up), equal neighbours are one step.
    """
    if asked == len(entries):
        return list(range(len(entries)))
    steps = [0]
    for before, entry in pairwise(entries):
        steps.append(steps[-1] + (entry != before))
    return steps
