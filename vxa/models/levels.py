"""Noise levels that a pipeline passes on as tensors, read without waiting for the device.

    levels = Levels()
    levels.read(timestep, scheduler.timesteps)       # [961.0]

A pipeline iterates over its scheduler's timesteps, so each is a view of a tensor that is read once. To read
a tensor on an accelerator is to wait until all that was launched has run.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["Levels"]


class Levels:
    """Reader of timesteps, with the values of one schedule on the host."""

    def __init__(self) -> None:
        self._schedule: Tensor | None = None
        self._version = -1
        self._values: list[float] = []

    def read(self, timestep: Any, schedule: Any) -> list[float]:
        """Return the values of a timestep, a number or a tensor of any shape.

        `schedule` is the tensor that it may be a view of.
        """
        if not torch.is_tensor(timestep):
            return [float(timestep)]
        if not _is_view_of(timestep, schedule):
            return [float(level) for level in timestep.reshape(-1).tolist()]
        self._take(schedule)
        return [self._values[timestep.storage_offset() - schedule.storage_offset()]]

    def _take(self, schedule: Tensor) -> None:
        """Read a schedule, unless it is the last one, unchanged."""
        if schedule is not self._schedule or schedule._version != self._version:
            self._schedule, self._version = schedule, schedule._version
            self._values = [float(level) for level in schedule.tolist()]


def _is_view_of(timestep: Tensor, schedule: Any) -> bool:
    """Return whether the timestep is an entry of the schedule, whose versions torch counts."""
    if not torch.is_tensor(schedule) or schedule.ndim != 1 or not schedule.is_contiguous():
        return False
    if schedule.is_inference() or timestep.numel() != 1 or timestep.dtype != schedule.dtype:
        return False
    place = timestep.storage_offset() - schedule.storage_offset()
    own, other = timestep.untyped_storage(), schedule.untyped_storage()
    return (
        own.data_ptr() == other.data_ptr()
        and timestep.device == schedule.device
        and 0 <= place < len(schedule)
    )
