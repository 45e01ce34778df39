"""Heat maps as tensors, with the graph that leads to them: the same means as `AttentionMaps.heat_map`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from vxa.attention.records import SiteRecord
from vxa.maps.selection import union

__all__ = ["mean_tensor"]


def mean_tensor(
    records: Sequence[SiteRecord], groups: Sequence[tuple[int, ...]], heads: Sequence[int] | None
) -> Tensor:
    """Return the mean over heads, tokens of a group, groups and records, float32 [h, w] on the largest grid.

    It is on the records' device and can be differentiated where they can.
    """
    indices = union(list(groups))
    maps = [_mean_of(record.tokens(indices, heads), indices, groups) for record in records]
    size = max((each.shape for each in maps), key=lambda shape: shape[0] * shape[1])
    return torch.stack([_on_grid(each, (size[0], size[1])) for each in maps]).mean(0)


def _mean_of(maps: Tensor, indices: tuple[int, ...], groups: Sequence[tuple[int, ...]]) -> Tensor:
    """Return the mean over groups of the mean over each group's tokens; `maps` are those of `indices`."""
    columns = {index: place for place, index in enumerate(indices)}
    means = [maps[[columns[index] for index in group]].mean(0) for group in groups]
    return torch.stack(means).mean(0)


def _on_grid(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the values on a grid [h, w]; with antialias, torch's bicubic filter is Pillow's."""
    if tuple(values.shape) == size:
        return values
    larger = interpolate(values[None, None], size, mode="bicubic", antialias=True)[0, 0]
    return larger.clamp_min(0.0)
