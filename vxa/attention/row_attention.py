"""Attention of one row of the batch, computed in float32 when it is asked.

    RowCall(query, key, scale).probabilities(slice(0, 4))        # float32 [4, queries, tokens]

A row may hold several sites of one shape: their queries lie one below the other.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["JointRow", "RowAttention", "RowCall", "RowProbabilities", "full_precision"]


class RowAttention(Protocol):
    """Attention of one row: of one site, or of sites of one shape, one below the other."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(heads, queries of all its sites, tokens)."""

    @property
    def device(self) -> torch.device:
        """Device on which the layer computes."""

    def probabilities(self, heads: slice = slice(None)) -> Tensor:
        """Return float32 probabilities [heads, queries, tokens], with their graph if any."""

    def of_sites(self, sites: slice) -> RowAttention:
        """Return the attention of some of its sites."""


@dataclass(frozen=True, eq=False)
class RowCall:
    """softmax(q kᵀ · scale + bias) of one row, about to be computed; a RowAttention.

    Attributes:
        query: [heads, sites, queries of each site, channels].
        key: [heads, sites, tokens, channels].
        scale: the factor of the logits.
        bias: added to the logits, [heads or 1, queries or 1, tokens]; None is nothing.
    """

    query: Tensor
    key: Tensor
    scale: float
    bias: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(heads, queries of all sites, tokens)."""
        heads, sites, queries, _ = self.query.shape
        return heads, sites * queries, self.key.shape[2]

    @property
    def device(self) -> torch.device:
        """Device of the query."""
        return self.query.device

    def probabilities(self, heads: slice = slice(None)) -> Tensor:
        """Return float32 probabilities [heads, queries, tokens], with their graph if any.

        The scale is a factor of the float32 product: where a host lets products round their operands
        (TF32), those of half precision stay exact.
        """
        query, key = (each[heads].flatten(0, 1).float() for each in (self.query, self.key))
        bias, beta = (query.new_empty(()), 0) if self.bias is None else (_of_heads(self.bias, heads), 1)
        with full_precision(self.device):
            logits = torch.baddbmm(bias, query, key.transpose(1, 2), beta=beta, alpha=self.scale)
        return logits.softmax(-1).view(-1, self.shape[1], logits.shape[-1])

    def of_sites(self, sites: slice) -> RowCall:
        """Return the attention of some of its sites."""
        return RowCall(self.query[:, sites], self.key[:, sites], self.scale, self.bias)


@dataclass(frozen=True, eq=False)
class RowProbabilities:
    """Probabilities [heads, queries, tokens] of one row; a RowAttention."""

    values: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """(heads, queries, tokens)."""
        heads, queries, tokens = self.values.shape
        return heads, queries, tokens

    @property
    def device(self) -> torch.device:
        """Device of the values."""
        return self.values.device

    def probabilities(self, heads: slice = slice(None)) -> Tensor:
        """Return float32 probabilities [heads, queries, tokens], with their graph if any."""
        return self.values[heads].float()

    def of_sites(self, sites: slice) -> RowProbabilities:
        """Return it: there is one site."""
        return self


_BY_HEADS = (2, 0, 1, 3)  # [calls, queries and tokens, heads, channels] with the heads first


@dataclass(frozen=True, eq=False)
class JointRow:
    """Copy of the queries and keys of one row, of several calls of one group.

    Attributes:
        values: [calls · (queries + tokens), heads, channels], in the network's precision.
        queries: number of queries of each call.
        tokens: number of keys of each call.
        scale: the factor of the logits.
    """

    values: Tensor
    queries: int
    tokens: int
    scale: float

    def in_float(self) -> RowAttention:
        """Return the attention, whose queries are those of the calls one below the other."""
        split = self.values.view(-1, self.queries + self.tokens, *self.values.shape[1:])
        values = split.new_empty([split.shape[place] for place in _BY_HEADS], dtype=torch.float32)
        values.copy_(split.permute(_BY_HEADS))  # other precision and other order, in one operation
        return RowCall(values[:, :, : self.queries], values[:, :, self.queries :], self.scale)


def _of_heads(bias: Tensor, heads: slice) -> Tensor:
    return bias[heads] if len(bias) > 1 else bias


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return a context without a host's autocast, which would compute the products in half precision."""
    if device.type in ("cpu", "cuda", "xpu") and _is_autocast_on(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def _is_autocast_on(device_type: str) -> bool:
    """Return whether autocast is on; torch before 2.4 does not tell it by device, so then it may be."""
    try:
        return torch.is_autocast_enabled(device_type)
    except TypeError:
        return True
