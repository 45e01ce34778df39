"""Attention summed over the passes of a generation: one float32 sum a site, however many steps there are.

    running = SiteSum(grid=(64, 48), heads=8, token_count=77)
    running.add(call, row=1, step_bin=0)                    # once a pass, from a receiver of attention.hooks
    running.record().tokens([5])                            # [1, h, w], the mean over passes and heads

A sum takes 4 bytes for each query, token, step bin and, where heads are kept apart, head. Memory does not
grow with steps: the probabilities of a pass are computed in chunks of heads, added, and freed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vxa.attention.calls import Product
from vxa.errors import HeadError, TokenIndexError

__all__ = ["SiteSum", "SumRecord"]

_CPU_SCRATCH = 2**19  # floats of probabilities computed at once: 2 MB stay in the cache
_DEVICE_SCRATCH = 2**23  # on an accelerator a kernel launch costs more than the memory


@dataclass(frozen=True, eq=False)
class SumRecord:
    """Attention of one site, summed over the passes of each step bin; a SiteRecord.

    Attributes:
        sums: float32 [bins, heads, queries, kept tokens] on the CPU; one head where only their mean was kept.
        passes: the number of passes in each bin, which its sum is divided by.
        grid: (height, width).
        token_count: number of keys of the site.
        kept: the indices of the tokens that were kept, in the order of the sums; None is all of them.
    """

    sums: Tensor
    passes: tuple[int, ...]
    grid: tuple[int, int]
    token_count: int
    kept: tuple[int, ...] | None = None

    @property
    def heads(self) -> int:
        """Number of heads kept separately: 1 where only their mean was kept."""
        return self.sums.shape[1]

    @torch.no_grad()
    def tokens(self, indices: Sequence[int], heads: Sequence[int] | None = None) -> Tensor:
        """Return float32 probabilities [len(indices), height, width], the mean over passes and `heads`.

        Raises:
            TokenIndexError: a token was not kept.
            HeadError: single heads were asked for, and only their mean was kept.
        """
        chosen = range(self.heads) if heads is None else heads
        if self.heads == 1 and list(chosen) != [0]:
            raise HeadError("only the mean over heads was kept; trace again with heads=True")
        columns = self._columns(indices)
        total = torch.zeros(self.sums.shape[2], len(columns))
        for sums in self.sums:
            for head in chosen:
                total += sums[head][:, columns]
        total /= len(chosen) * max(sum(self.passes), 1)
        return total.T.reshape(len(columns), *self.grid)

    @torch.no_grad()
    def gather(self, values: Tensor) -> Tensor:
        """Return the mean of `values` [n, token_count] weighted by each query's mean attention.

        The result is float32 [n, height, width].

        Raises:
            TokenIndexError: not every token was kept.
        """
        mean = self.sums.sum((0, 1)) / (self.heads * max(sum(self.passes), 1))
        every = mean[:, self._columns(range(self.token_count))]
        return (values.float() @ every.T).reshape(-1, *self.grid)

    def is_finite(self) -> bool:
        """Return whether the sums have neither NaN nor infinity."""
        return bool(self.sums.isfinite().all())

    def of_bins(self, bins: Sequence[int]) -> SumRecord:
        """Return the same site's record over some of its step bins."""
        chosen = list(bins)
        sums = self.sums[chosen[0] : chosen[0] + 1] if len(chosen) == 1 else self.sums[chosen]
        return replace(self, sums=sums, passes=tuple(self.passes[number] for number in chosen))

    def _columns(self, indices: Sequence[int]) -> list[int]:
        if self.kept is None:
            return list(indices)
        places = {token: column for column, token in enumerate(self.kept)}
        missing = [index for index in indices if index not in places]
        if missing:
            listed = ", ".join(map(str, self.kept))
            raise TokenIndexError(f"token {missing[0]} was not kept; the trace kept the tokens {listed}")
        return [places[index] for index in indices]


class SiteSum:
    """Running sum of one site's attention, for one row of the batch.

    Args:
        grid: (height, width) of the queries.
        heads: number of heads of the layer.
        token_count: number of keys.
        bins: number of step bins.
        apart: keep each head's sum, not only their mean.
        kept: the tokens to keep (None: all).
        device: the device of the sum: the one on which the layer computes.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        heads: int,
        token_count: int,
        *,
        bins: int = 1,
        apart: bool = False,
        kept: tuple[int, ...] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self._grid, self._heads, self._token_count, self._kept = grid, heads, token_count, kept
        columns = token_count if kept is None else len(kept)
        shape = (bins, heads if apart else 1, grid[0] * grid[1], columns)
        self._sums = torch.zeros(shape, dtype=torch.float32, device=device)
        self._passes = [0] * bins

    @property
    def nbytes(self) -> int:
        """Size of the sum in bytes."""
        return self._sums.numel() * self._sums.element_size()

    @property
    def token_count(self) -> int:
        """Number of keys."""
        return self._token_count

    @torch.no_grad()
    def add(self, call: Product, row: int, step_bin: int = 0) -> None:
        """Add one row's attention [heads, queries, tokens]."""
        total = self._sums[step_bin]
        self._passes[step_bin] += 1
        for part in self._parts(call.device):
            # The denominator needs every key, whichever tokens are kept.
            probabilities = call.probabilities(row, part)
            if self._kept is not None:
                probabilities = probabilities[..., list(self._kept)]
            if total.shape[0] > 1:
                total[part] += probabilities
            else:
                mean = probabilities[0] if len(probabilities) == 1 else probabilities.sum(0)
                total[0].add_(mean, alpha=1 / self._heads)

    def add_sum(self, other: SiteSum, step_bin: int = 0) -> None:
        """Add another sum of one bin, of the same site and tokens."""
        self._sums[step_bin] += other._sums[0]
        self._passes[step_bin] += other._passes[0]

    def is_finite(self) -> bool:
        """Return whether the sum has neither NaN nor infinity."""
        return bool(self._sums.isfinite().all())

    def empty_like(self, bins: int) -> SiteSum:
        """Return an empty sum of the same site and tokens, with this many bins."""
        apart, device = self._sums.shape[1] > 1, self._sums.device
        return SiteSum(
            self._grid, self._heads, self._token_count, bins=bins, apart=apart, kept=self._kept, device=device
        )

    def record(self) -> SumRecord:
        """Return a copy of the sum so far, on the CPU; later passes do not change it."""
        sums = self._sums.to("cpu", copy=True)
        return SumRecord(sums, tuple(self._passes), self._grid, self._token_count, self._kept)

    def release(self) -> SumRecord:
        """Return the sum on the CPU, without a copy where it is there already; call `add` no more."""
        return SumRecord(self._sums.cpu(), tuple(self._passes), self._grid, self._token_count, self._kept)

    def _parts(self, device: torch.device) -> Iterator[slice]:
        """Yield slices of the heads whose probabilities fit into the scratch of the device."""
        scratch = _CPU_SCRATCH if device.type == "cpu" else _DEVICE_SCRATCH
        step = max(1, scratch // (self._grid[0] * self._grid[1] * self._token_count))
        for start in range(0, self._heads, step):
            yield slice(start, start + step)
