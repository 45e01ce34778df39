"""A pool of samples on the device, which grows while batches are drawn from it on the device."""

from __future__ import annotations

import torch
from torch import Tensor


class Pool:
    """Columns of samples, up to `capacity` of them; a further one replaces the oldest.

    The columns are made at the first `add` and keep their place in memory, and the number of samples is a
    tensor. So a captured `draw` finds what was added since. `seen` counts all that was ever added."""

    def __init__(self, capacity: int, device: str) -> None:
        self.capacity, self.device = capacity, device
        self.columns: dict[str, Tensor] = {}
        self.seen = 0
        self.size = torch.zeros((), dtype=torch.long, device=device)

    def add(self, **rows: Tensor) -> None:
        """Add samples: for each column, its values [n, …]; n is at most the capacity."""
        count = len(next(iter(rows.values())))
        places = (torch.arange(count, device=self.device) + self.seen) % self.capacity
        for name, values in rows.items():
            if name not in self.columns:
                shape = (self.capacity, *values.shape[1:])
                self.columns[name] = torch.zeros(shape, dtype=values.dtype, device=self.device)
            self.columns[name][places] = values.to(self.device)
        self.seen += count
        self.size.fill_(min(self.seen, self.capacity))

    def draw(self, count: int) -> dict[str, Tensor]:
        """Draw `count` samples, each with the same chance, with replacement."""
        places = (torch.rand(count, device=self.device) * self.size).long()
        places = torch.minimum(places, self.size - 1)  # rounding may reach the size itself
        return {name: column[places] for name, column in self.columns.items()}


def draw(cumulative: Tensor, count: int) -> Tensor:
    """Draw `count` indices by their cumulated chances, on the device of these."""
    places = torch.rand(count, device=cumulative.device)
    return torch.bucketize(places, cumulative).clamp(max=len(cumulative) - 1)
