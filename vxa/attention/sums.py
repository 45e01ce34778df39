"""Attention summed over the passes of a generation: one float32 sum a site, however many steps there are.

    running = SiteSum(grid=(64, 48), heads=8, token_count=77)
    running.add(call.of_row(1), step_bin=0)                 # once a pass
    running.record().tokens([5])                            # [1, h, w], the mean over passes and heads

A sum takes 4 bytes for each query, token, step bin and, where heads are kept apart, head. Memory does not
grow with steps: the probabilities of a pass are computed in chunks of heads, added, and freed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vxa.attention.row_attention import RowAttention
from vxa.errors import HeadError, TokenIndexError

__all__ = ["CPU_SCRATCH", "SiteSum", "SumRecord"]

CPU_SCRATCH = 2**19  # floats of probabilities computed at once: 2 MB stay in the cache


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
    """Running sum of attention for one row of the batch: of one site, or of several of one shape.

    The sums of several sites lie one below the other in one tensor, so that one operation adds to all.

    Args:
        grid: (height, width) of the queries of each site.
        heads: number of heads of each site.
        token_count: number of keys.
        sites: number of sites.
        bins: number of step bins.
        apart: keep each head's sum, not only their mean.
        kept: the tokens to keep (None: all).
        device: the device of the sum: the one on which the layers compute.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        heads: int,
        token_count: int,
        *,
        sites: int = 1,
        bins: int = 1,
        apart: bool = False,
        kept: tuple[int, ...] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self._grid, self._heads, self._token_count, self._kept = grid, heads, token_count, kept
        self._queries = grid[0] * grid[1]
        columns = token_count if kept is None else len(kept)
        shape = (bins, heads if apart else 1, sites * self._queries, columns)
        self._sums = torch.zeros(shape, dtype=torch.float32, device=device)
        self._passes = [[0] * bins for _ in range(sites)]
        self._weights = torch.full((heads,), 1 / heads, device=device)
        self._columns = None if kept is None else torch.tensor(kept, dtype=torch.long, device=device)

    @property
    def nbytes(self) -> int:
        """Size of the sum in bytes."""
        return self._sums.numel() * self._sums.element_size()

    @torch.no_grad()
    def add(
        self, attention: RowAttention, step_bin: int = 0, first: int = 0, scratch: int = CPU_SCRATCH
    ) -> None:
        """Add the attention of one row to the sites from `first` on.

        Not more than `scratch` floats of probabilities are computed at once, or those of one head.
        """
        heads, queries, tokens = attention.shape
        total = self._count(first, queries // self._queries, step_bin)
        step = max(1, scratch // (queries * tokens))
        for start in range(0, heads, step):
            self._add_part(total, attention, slice(start, start + step))

    def add_sum(
        self, other: SiteSum, step_bin: int = 0, first: int = 0, other_first: int = 0, sites: int = 1
    ) -> None:
        """Add some sites of another sum of one bin, of the same shape and tokens."""
        total = self._count(first, sites, step_bin)
        start = other_first * self._queries
        total += other._sums[0, :, start : start + sites * self._queries]

    def is_finite(self, place: int = 0) -> bool:
        """Return whether one site's sum has neither NaN nor infinity."""
        return bool(self._of(place).isfinite().all())

    def empty_like(self, bins: int, sites: int) -> SiteSum:
        """Return an empty sum of the same shape and tokens, of this many bins and sites."""
        apart, device = self._sums.shape[1] > 1, self._sums.device
        return SiteSum(
            self._grid, self._heads, self._token_count, sites=sites, bins=bins, apart=apart,
            kept=self._kept, device=device,
        )  # fmt: skip

    def record(self, place: int = 0) -> SumRecord:
        """Return a copy of one site's sum so far, on the CPU; later passes do not change it."""
        return self._record(self._of(place).to("cpu", copy=True), place)

    def release(self, place: int = 0) -> SumRecord:
        """Return one site's sum on the CPU, without a copy where it is there already; call `add` no more."""
        return self._record(self._of(place).cpu(), place)

    def _add_part(self, total: Tensor, attention: RowAttention, part: slice) -> None:
        """Add some heads to their part of the sum, [heads or 1, queries, columns]."""
        probabilities = attention.probabilities(part)  # the denominator needs every key, also those not kept
        if self._columns is not None:
            probabilities = probabilities.index_select(-1, self._columns)
        if len(total) > 1:
            total[part] += probabilities
        else:  # the mean over heads, as a product with their weights: one operation
            total.view(-1).addmv_(probabilities.flatten(1).T, self._weights[: len(probabilities)])

    def _count(self, first: int, sites: int, step_bin: int) -> Tensor:
        """Count a pass of these sites. Return their part of the sum, [heads or 1, queries, columns]."""
        for passes in self._passes[first : first + sites]:
            passes[step_bin] += 1
        return self._sums[step_bin, :, first * self._queries : (first + sites) * self._queries]

    def _of(self, place: int) -> Tensor:
        return self._sums[:, :, place * self._queries : (place + 1) * self._queries]

    def _record(self, sums: Tensor, place: int) -> SumRecord:
        return SumRecord(sums, tuple(self._passes[place]), self._grid, self._token_count, self._kept)
