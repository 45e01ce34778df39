"""The heat map exactly as PyPI's daam 0.2.0 computes it (DAAM, Tang et al. 2022, arXiv:2210.04885).

    with vxa.trace(pipeline, heads=True) as trace:
        pipeline("a red hat")
    daam_heat_map(trace.maps[0], "hat")

Its `compute_global_heat_map` differs from the paper and from `AttentionMaps.heat_map` as follows:

- Attention is summed over steps, not averaged, so the scale grows with the number of steps.
- The map of each head of each attention layer (site) is resized to one plane (bicubic), then clamped at 0.
  The result is the mean over sites and heads, so the trace must keep heads.
- The plane is 64×64 for models made for 512 or 1024 pixels, 96×96 for others.
- The middle block is excluded, and so are sites whose factor, floor(plane / side), is 8.
- A word's map is the mean over the tokens of all its occurrences, each token counted once.

daam supports square images only. Here the plane has the image's proportions, and the stated number of cells
on its longer side.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from vxa.attention.sites import Site
from vxa.attention.sums import SumRecord
from vxa.errors import SettingError, SiteError
from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.heat_map import HeatMap
from vxa.maps.selection import TokenSpec, WordSpec, token_groups, union

__all__ = ["daam_heat_map"]

_EXCLUDED_FACTOR = 8


def daam_heat_map(
    maps: AttentionMaps, words: WordSpec = None, tokens: TokenSpec = None, *, side: int | None = None
) -> HeatMap:
    """Return daam 0.2.0's heat map of the words, on daam's scale.

    `maps` must come from a trace of every site with heads=True. `side` is the plane's longer side in cells.
    None is 64 if the longer side of the latent is 64 or 128 (SD1 at 512, SDXL at 1024), else 96: daam's own
    choice for a model used at the size it was made for.

    Raises:
        SettingError: the maps are not of a trace with heads=True.
        SiteError: daam reads none of the sites.
        WordError, TokenIndexError: as in `AttentionMaps.heat_map`.
    """
    names, groups = token_groups(maps.tokens, words, tokens)
    indices = union(groups)
    longer = max(maps.latent_size)
    side = side or (64 if longer in (64, 128) else 96)
    plane = tuple(max(1, round(side * cells / longer)) for cells in maps.latent_size)
    sites = [site for site in maps.sites if _includes(site, maps, side * side)]
    if not sites:
        raise SiteError(
            "none of the sites is one that daam reads (it leaves out the middle block and factor 8)"
        )
    total = torch.zeros(plane)
    count = 0
    for site in sites:
        record = maps.records[site.name]
        for head in range(site.heads):
            total += _resize_and_average(_head_sum(record, indices, head, site), plane)
            count += 1
    values: NDArray[np.float32] = (total / count).numpy()
    labels = tuple(site.label for site in sites)
    return HeatMap(values, maps.image_size, maps.extent, names, indices, labels, "daam", region=maps.region)


def _includes(site: Site, maps: AttentionMaps, cells: int) -> bool:
    height, width = maps.records[site.name].grid
    square = max(height, width) ** 2  # the site's grid if the image were square, as daam assumes
    return site.part != "mid" and int(math.sqrt(cells // square)) != _EXCLUDED_FACTOR


def _head_sum(record: object, indices: tuple[int, ...], head: int, site: Site) -> Tensor:
    """Return the attention of one head to each token, summed over the passes, [tokens, h, w]."""
    if not isinstance(record, SumRecord) or record.heads != site.heads:
        raise SettingError("daam's formula clamps each head by itself; trace with heads=True")
    return record.tokens(indices, [head]) * sum(record.passes)


def _resize_and_average(maps: Tensor, plane: tuple[int, ...]) -> Tensor:
    """Resize each token's map, clamp it at 0, and return the mean over tokens, [height, width]."""
    maps_on_plane = functional.interpolate(maps[:, None], size=plane, mode="bicubic").clamp_(min=0)
    return maps_on_plane[:, 0].mean(0)
