"""Attention summed over the passes of a generation: one float32 sum a site, however many steps there are.

    running = SiteSum(grid=(64, 48), heads=8, token_count=77)
    running.add(query, key, scale, step_bin=0)              # once a pass, from a receiver of attention.hooks
    running.record().tokens([5])                            # [1, h, w], the mean over passes and heads

A sum keeps 4 bytes for each query, token, step bin and, where heads are kept apart, head. Nothing else
grows: the probabilities of a pass are computed in chunks of heads, added, and forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vxa.errors import HeadError, TokenIndexError

__all__ = ["SiteSum", "SumRecord"]

_CPU_SCRATCH = 2**19  # floats of probabilities made at once: two megabytes stay in the cache
_DEVICE_SCRATCH = 2**23  # elsewhere a launch costs more than the memory


@dataclass(frozen=True, eq=False)
class SumRecord:
    """One site's attention, summed over the passes of each step bin; a SiteRecord.

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
        """Number of heads that can be told apart."""
        return self.sums.shape[1]

    @torch.no_grad()
    def tokens(self, indices: Sequence[int], heads: Sequence[int] | None = None) -> Tensor:
        """Mean probabilities [len(indices), height, width] in float32 over the passes, and over `heads`.

        Raises:
            TokenIndexError: a token that was not kept.
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
        """What each query takes of `values` [n, token_count] by its mean attention: float32
        [n, height, width].

        Raises:
            TokenIndexError: not every token was kept.
        """
        mean = self.sums.sum((0, 1)) / (self.heads * max(sum(self.passes), 1))
        every = mean[:, self._columns(range(self.token_count))]
        return (values.float() @ every.T).reshape(-1, *self.grid)

    def of_bins(self, bins: Sequence[int]) -> SumRecord:
        """The same site over some of its step bins alone."""
        picked = list(bins)
        sums = self.sums[picked[0] : picked[0] + 1] if len(picked) == 1 else self.sums[picked]
        return replace(self, sums=sums, passes=tuple(self.passes[number] for number in picked))

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
    """One site's running sum for one row of attention.

    Args:
        grid: (height, width) of the queries.
        heads: number of heads of the layer.
        token_count: number of keys.
        bins: number of step bins.
        apart: keep each head by itself.
        kept: the tokens to keep; None is all.
        device: where the sum is held: where the layer computes.
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
        """What the sum holds."""
        return self._sums.numel() * self._sums.element_size()

    @property
    def token_count(self) -> int:
        """Number of keys."""
        return self._token_count

    @torch.no_grad()
    def add(self, query: Tensor, key: Tensor, scale: float, step_bin: int = 0) -> None:
        """Add softmax(q kᵀ · scale) of one row: query [queries, channels], key [tokens, channels]."""
        total = self._sums[step_bin]
        self._passes[step_bin] += 1
        with _full_precision(query.device):
            by_head = query.float().reshape(len(query), self._heads, -1).transpose(0, 1)
            keys = (key.float() * scale).reshape(len(key), self._heads, -1).permute(1, 2, 0)
            for part in self._parts(query.device):
                # The denominator needs every key, whichever tokens are kept.
                probabilities = torch.bmm(by_head[part], keys[part]).softmax(-1)
                if self._kept is not None:
                    probabilities = probabilities[..., list(self._kept)]
                if total.shape[0] > 1:
                    total[part] += probabilities
                else:
                    mean = probabilities[0] if len(probabilities) == 1 else probabilities.sum(0)
                    total[0].add_(mean, alpha=1 / self._heads)

    def record(self) -> SumRecord:
        """What was summed so far, on the CPU: a copy, which later passes do not reach."""
        sums = self._sums.to("cpu", copy=True)
        return SumRecord(sums, tuple(self._passes), self._grid, self._token_count, self._kept)

    def release(self) -> SumRecord:
        """What was summed, handed over without a copy where it is on the CPU: add nothing afterwards."""
        return SumRecord(self._sums.cpu(), tuple(self._passes), self._grid, self._token_count, self._kept)

    def _parts(self, device: torch.device) -> Iterator[slice]:
        """The heads in chunks whose probabilities stay within the scratch."""
        scratch = _CPU_SCRATCH if device.type == "cpu" else _DEVICE_SCRATCH
        step = max(1, scratch // (self._grid[0] * self._grid[1] * self._token_count))
        for start in range(0, self._heads, step):
            yield slice(start, start + step)


def _full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Hosts compute under autocast, which would turn the products back into half precision."""
    if device.type in ("cpu", "cuda", "xpu"):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()
