"""Attention of one layer (site) in one pass, as the network computes it, for every row of the batch.

    call = AttentionCall(query, key, scale)                # softmax(q kᵀ · scale + bias), not computed yet
    call.probabilities(row=1, heads=slice(0, 4))           # float32 [4, queries, tokens]

A `GivenAttention` holds probabilities that the layer computed itself, edits included.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

__all__ = ["AttentionCall", "GivenAttention", "Product", "expand_mask", "full_precision", "split_heads"]


class Product(Protocol):
    """Attention that any receiver can read."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(rows, heads, queries, tokens)."""

    @property
    def device(self) -> torch.device:
        """Device on which the layer computes."""

    def probabilities(self, row: int, heads: slice = slice(None)) -> Tensor:
        """Return float32 probabilities [heads, queries, tokens] of one row."""

    def of_rows(self, rows: Sequence[int]) -> Product:
        """Return a copy of some rows, which later operations of the network cannot change."""


@dataclass(frozen=True, eq=False)
class AttentionCall:
    """softmax(q kᵀ · scale + bias) of one site, about to be computed.

    Attributes:
        query: [rows, heads, queries, channels].
        key: [rows, heads, tokens, channels].
        scale: the factor of the logits, usually channels^-1/2.
        bias: added to the logits, broadcastable to [rows, heads, queries, tokens]; None is nothing.
    """

    query: Tensor
    key: Tensor
    scale: float
    bias: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(rows, heads, queries, tokens); the rows are those that both query and key have."""
        rows = min(len(self.query), len(self.key))
        return rows, self.query.shape[1], self.query.shape[2], self.key.shape[2]

    @property
    def device(self) -> torch.device:
        """Device of the query."""
        return self.query.device

    def probabilities(self, row: int, heads: slice = slice(None)) -> Tensor:
        """Return float32 probabilities [heads, queries, tokens] of one row, with their graph if any."""
        with full_precision(self.device):
            keys = self.key[row, heads].float() * self.scale
            logits = torch.bmm(self.query[row, heads].float(), keys.transpose(1, 2))
            if self.bias is not None:
                logits = logits + _at(self.bias, row, heads).float()
            return logits.softmax(-1)

    def of_rows(self, rows: Sequence[int]) -> AttentionCall:
        """Return a copy of some rows."""
        chosen = list(rows)  # indexing by a list copies
        bias = self.bias
        if bias is not None and len(bias) > 1:
            bias = bias[chosen]
        return AttentionCall(self.query.detach()[chosen], self.key.detach()[chosen], self.scale, bias)


@dataclass(frozen=True, eq=False)
class GivenAttention:
    """Probabilities of one site, computed by the layer itself.

    Attributes:
        values: [rows, heads, queries, tokens].
    """

    values: Tensor

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(rows, heads, queries, tokens)."""
        rows, heads, queries, tokens = self.values.shape
        return rows, heads, queries, tokens

    @property
    def device(self) -> torch.device:
        """Device of the values."""
        return self.values.device

    def probabilities(self, row: int, heads: slice = slice(None)) -> Tensor:
        """Return float32 probabilities [heads, queries, tokens] of one row, with their graph if any."""
        return self.values[row, heads].float()

    def of_rows(self, rows: Sequence[int]) -> GivenAttention:
        """Return a copy of some rows."""
        return GivenAttention(self.values.detach()[list(rows)])


def split_heads(output: Tensor, heads: int) -> Tensor:
    """Return a projection's output [rows, n, heads·channels] as a view [rows, heads, n, channels]."""
    rows, count, channels = output.shape
    return output.view(rows, count, heads, channels // heads).transpose(1, 2)


def expand_mask(mask: Any, rows: int, heads: int) -> Tensor | None:
    """Return an attention mask as a bias [rows or 1, heads or 1, queries or 1, tokens]; None for none.

    A boolean mask keeps where it is True; others are added to the logits. A mask of fewer than four
    dimensions has rows, or rows × heads, in front, as in diffusers' attention layers.
    """
    if mask is None:
        return None
    if mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, -torch.inf)
    if mask.ndim == 4:
        return _tensor(mask)
    if len(mask) == rows * heads and heads > 1:
        return _tensor(mask.reshape(rows, heads, -1, mask.shape[-1]))
    return _tensor(mask.reshape(len(mask), 1, -1, mask.shape[-1]))


def _tensor(mask: Tensor) -> Tensor:
    return mask.detach()


def _at(bias: Tensor, row: int, heads: slice) -> Tensor:
    """Return the bias [heads or 1, queries or 1, tokens] of a row."""
    own = bias[row if len(bias) > 1 else 0]
    return own[heads] if len(own) > 1 else own


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return a context without a host's autocast, which would compute the products in half precision."""
    if device.type in ("cpu", "cuda", "xpu"):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()
