"""Records of one attention layer (site), which answer for any token.

    record = PassRecord(query, key, heads=8, scale=40**-0.5, grid=(64, 48))
    record.tokens([5])                  # [1, h, w], the mean over heads

A `PassRecord` has the queries and keys of one pass, and computes softmax(q kᵀ · scale) in float32 when it is
asked, for the heads and tokens that are asked for. A `GraphRecord` stays on the network's device, with the
graph. The sum over many passes is `vxa.attention.sums.SumRecord`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from vxa.attention.calls import Product

__all__ = ["GraphRecord", "PassRecord", "SiteRecord"]

_SCRATCH = 2**20  # floats of attention logits held at once (4 MB)


class SiteRecord(Protocol):
    """Attention of one site after watching it, for any token."""

    @property
    def grid(self) -> tuple[int, int]:
        """(height, width) of the queries."""

    @property
    def heads(self) -> int:
        """Number of heads kept separately: 1 where only their mean was kept."""

    @property
    def token_count(self) -> int:
        """Number of keys."""

    def tokens(self, indices: Sequence[int], heads: Sequence[int] | None = None) -> Tensor:
        """Return float32 probabilities [len(indices), height, width], the mean over `heads` (None: all)."""

    def gather(self, values: Tensor) -> Tensor:
        """Return the mean of `values` [n, token_count] weighted by each query's attention, over all heads.

        The result is float32 [n, height, width].
        """

    def is_finite(self) -> bool:
        """Return whether the attention has neither NaN nor infinity."""


@dataclass(frozen=True, eq=False)
class PassRecord:
    """Query and key of one site, for one row of one forward pass: enough for the map of any head or token.

    Attributes:
        query: [height·width, heads·channels], on the CPU, in a dtype that numpy has.
        key: [tokens, heads·channels], likewise.
        heads: number of heads.
        scale: the factor of the logits, usually channels^-1/2.
        grid: (height, width).
    """

    query: Tensor
    key: Tensor
    heads: int
    scale: float
    grid: tuple[int, int]

    @property
    def token_count(self) -> int:
        """Number of keys."""
        return self.key.shape[0]

    @torch.no_grad()
    def tokens(self, indices: Sequence[int], heads: Sequence[int] | None = None) -> Tensor:
        """Return float32 probabilities [len(indices), height, width], the mean over `heads` (None: all)."""
        normalizer, mean = self._summary
        if heads is None and mean is not None:
            return mean[list(indices)].reshape(len(indices), *self.grid)
        chosen = range(self.heads) if heads is None else heads
        keys = self.key[list(indices)].float() * self.scale
        result = torch.zeros(len(indices), self.query.shape[0])
        for part in self._chunks(len(indices)):
            for head in chosen:
                key, query = keys[:, self._channels(head)], self._query(head, part)
                result[:, part] += torch.addmm(-normalizer[head, part], key, query).exp_()
        return result.div_(len(chosen)).reshape(len(indices), *self.grid)

    @torch.no_grad()
    def gather(self, values: Tensor) -> Tensor:
        """Return the mean of `values` [n, token_count] weighted by each query's attention, over all heads.

        The result is float32 [n, height, width].
        """
        return (values.float() @ self._mean.T).reshape(-1, *self.grid)

    def is_finite(self) -> bool:
        """Return whether neither query nor key has NaN or infinity."""
        return bool(self.query.isfinite().all() and self.key.isfinite().all())

    @cached_property
    def _mean(self) -> Tensor:
        """Mean probabilities over heads [queries, tokens]; cached, so that a further map costs little."""
        keys = self.key.float() * self.scale
        mean = torch.zeros(self.query.shape[0], self.token_count)
        for part in self._chunks(self.token_count):
            for head in range(self.heads):
                logits = self._query(head, part).T @ keys[:, self._channels(head)].T
                mean[part] += logits.softmax(1)
        return mean.div_(self.heads)

    @cached_property
    def _summary(self) -> tuple[Tensor, Tensor | None]:
        """log Σ exp(logits) over keys [heads, queries]; the mean over heads of every token [tokens, queries].

        The first call needs every logit. With these two cached, a further call costs one row of logits a
        token for single heads, and nothing for the mean over all. The mean is cached only where it is no
        larger than the query, since a prompt can have thousands of tokens.
        """
        keys = self.key.float() * self.scale
        normalizer = torch.empty(self.heads, self.query.shape[0])
        small = self.token_count <= self.query.shape[1]
        mean = torch.zeros(self.token_count, self.query.shape[0]) if small else None
        for part in self._chunks(self.token_count):
            for head in range(self.heads):
                logits = keys[:, self._channels(head)] @ self._query(head, part)
                normalizer[head, part] = torch.logsumexp(logits, dim=0)
                if mean is not None:
                    mean[:, part] += logits.sub_(normalizer[head, part]).exp_()
        return normalizer, mean if mean is None else mean.div_(self.heads)

    def _query(self, head: int, part: slice) -> Tensor:
        """Return some queries of one head in float32, [channels, queries]."""
        return self.query[part, self._channels(head)].float().T

    def _channels(self, head: int) -> slice:
        channels = self.query.shape[1] // self.heads
        return slice(head * channels, (head + 1) * channels)

    def _chunks(self, tokens: int) -> Iterator[slice]:
        """Yield slices of the queries whose logits fit into `_SCRATCH`."""
        step = max(1, _SCRATCH // max(1, tokens))
        for start in range(0, self.query.shape[0], step):
            yield slice(start, start + step)


@dataclass(frozen=True, eq=False)
class GraphRecord:
    """Attention of one site, for one row of one pass, with the graph that leads to it.

    Its answers stay on the network's device and can be differentiated.

    Attributes:
        call: the attention of the batch.
        row: the row of the batch.
        grid: (height, width).
    """

    call: Product
    row: int
    grid: tuple[int, int]

    @property
    def heads(self) -> int:
        """Number of heads."""
        return self.call.shape[1]

    @property
    def token_count(self) -> int:
        """Number of keys."""
        return self.call.shape[3]

    def tokens(self, indices: Sequence[int], heads: Sequence[int] | None = None) -> Tensor:
        """Return float32 probabilities [len(indices), height, width], the mean over `heads` (None: all)."""
        chosen = list(range(self.heads) if heads is None else heads)
        mean = self._probabilities[chosen].mean(0)[:, list(indices)]
        return mean.T.reshape(len(indices), *self.grid)

    def gather(self, values: Tensor) -> Tensor:
        """Return the mean of `values` [n, token_count] weighted by each query's attention."""
        mean = self._probabilities.mean(0)
        return (values.to(mean) @ mean.T).reshape(-1, *self.grid)

    @property
    def has_graph(self) -> bool:
        """Whether the probabilities can be differentiated."""
        return self._probabilities.requires_grad

    def is_finite(self) -> bool:
        """Return whether the probabilities have neither NaN nor infinity."""
        return bool(self._probabilities.isfinite().all())

    @cached_property
    def _probabilities(self) -> Tensor:
        return self.call.of_row(self.row).probabilities()
