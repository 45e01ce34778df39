"""Attention of one layer (site) in one pass, as the network computes it, for every row of the batch.

    call = AttentionCall(query, key, scale)                # softmax(q kᵀ · scale + bias), not computed yet
    call.of_row(1).probabilities(slice(0, 4))              # float32 [4, queries, tokens]
    join([call, other], row=1).in_float().probabilities()  # float32 [heads, 2 · queries, tokens]

A `GivenAttention` holds probabilities that the layer computed itself, edits included.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from vxa.attention.row_attention import JointRow, RowAttention, RowCall, RowProbabilities, full_precision

__all__ = ["AttentionCall", "GivenAttention", "Product", "expand_mask", "join", "split_heads"]


class Product(Protocol):
    """Attention that any receiver can read."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(rows, heads, queries, tokens)."""

    @property
    def device(self) -> torch.device:
        """Device on which the layer computes."""

    @property
    def group(self) -> Hashable | None:
        """Value that calls have in common that `join` can compute together; None if it can join none."""

    def of_row(self, row: int) -> RowAttention:
        """Return the attention of one row."""

    def of_rows(self, rows: Sequence[int]) -> Product:
        """Return a copy of some rows, which later operations of the network cannot change."""


@dataclass(frozen=True, eq=False)
class AttentionCall:
    """softmax(q kᵀ · scale + bias) of one site, about to be computed.

    Attributes:
        query: [rows, queries, heads, channels], as a projection has it.
        key: [rows, tokens, heads, channels].
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
        query, key = self.query.shape, self.key.shape
        return min(query[0], key[0]), query[2], query[1], key[1]

    @property
    def device(self) -> torch.device:
        """Device of the query."""
        return self.query.device

    @property
    def group(self) -> Hashable | None:
        """Value that calls of one shape, scale, precision and device have in common; None under a mask."""
        if self.bias is not None:
            return None
        return self.query.shape, self.key.shape, self.scale, self.query.dtype, self.key.dtype, self.device

    def of_row(self, row: int) -> RowAttention:
        """Return the attention of one row, without a copy."""
        bias = None if self.bias is None else _of_row(self.bias, row)
        query, key = (each[row].transpose(0, 1)[:, None] for each in (self.query, self.key))
        return RowCall(query, key, self.scale, bias)

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
    group = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(rows, heads, queries, tokens)."""
        rows, heads, queries, tokens = self.values.shape
        return rows, heads, queries, tokens

    @property
    def device(self) -> torch.device:
        """Device of the values."""
        return self.values.device

    def of_row(self, row: int) -> RowAttention:
        """Return the attention of one row."""
        return RowProbabilities(self.values[row])

    def of_rows(self, rows: Sequence[int]) -> GivenAttention:
        """Return a copy of some rows."""
        return GivenAttention(self.values.detach()[list(rows)])


def join(calls: Sequence[AttentionCall], row: int) -> JointRow:
    """Copy one row of calls of one group side by side; later operations of the network cannot change it."""
    _, _, queries, tokens = calls[0].shape
    parts = [each[row] for call in calls for each in (call.query, call.key)]
    with full_precision(calls[0].device):
        return JointRow(torch.cat(parts), queries, tokens, calls[0].scale)


def split_heads(output: Tensor, heads: int) -> Tensor:
    """Return a projection's output [rows, n, heads·channels] as a view [rows, n, heads, channels]."""
    rows, count, channels = output.shape
    return output.view(rows, count, heads, channels // heads)


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


def _of_row(bias: Tensor, row: int) -> Tensor:
    """Return the bias [heads or 1, queries or 1, tokens] of a row, in float32."""
    return bias[row if len(bias) > 1 else 0].float()
