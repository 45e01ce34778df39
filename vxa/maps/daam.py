"""The heat map of DAAM's release, to the letter: PyPI daam 0.2.0 (Tang et al. 2022, arXiv:2210.04885).

    with vxa.trace(pipeline, heads=True) as trace:
        pipeline("a red hat")
    daam_heat_map(trace.maps[0], "hat")

Its `compute_global_heat_map` differs from the paper and from our own mean in this:

- the attention is summed over the steps, not averaged, so the scale grows with their number;
- each head of each site is resized by itself, bicubically, to one plane, and only then clamped at 0; the map
  is the mean over sites and heads, which is why heads must be kept;
- the plane is 64×64 for models made for 512 or 1024 pixels, 96×96 for others;
- the middle block is left out, and sites whose factor, the whole part of plane / side, is 8;
- a word is the mean over the tokens of all its occurrences, each once.

daam knows squares alone; here the plane has the image's proportions, with that many cells on its longer side.
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
    """What daam 0.2.0 gives for the words, on its own scale, from a trace that kept heads and every site.

    `side` is the plane's longer side in cells; None is 64 where the longer side of the latent is 64 or 128
    (SD1 at 512, SDXL at 1024), else 96, as daam has it for models used at the size they were made for.

    Raises:
        SettingError: the maps are not of a trace with heads=True.
        SiteError: no site is left of which daam takes its mean.
        WordError, TokenIndexError: as in `AttentionMaps.heat_map`.
    """
    names, groups = token_groups(maps.tokens, words, tokens)
    indices = union(groups)
    longer = max(maps.latent_size)
    side = side or (64 if longer in (64, 128) else 96)
    plane = tuple(max(1, round(side * cells / longer)) for cells in maps.latent_size)
    sites = [site for site in maps.sites if _is_summed(site, maps, side * side)]
    if not sites:
        raise SiteError(
            "none of the sites is one that daam reads (it leaves out the middle block and factor 8)"
        )
    total = torch.zeros(plane)
    count = 0
    for site in sites:
        record = maps.records[site.name]
        for head in range(site.heads):
            total += _resized(_sum_of(record, indices, head, site), plane)
            count += 1
    values: NDArray[np.float32] = (total / count).numpy()
    labels = tuple(site.label for site in sites)
    return HeatMap(values, maps.image_size, maps.extent, names, indices, labels, "daam")


def _is_summed(site: Site, maps: AttentionMaps, cells: int) -> bool:
    height, width = maps.records[site.name].grid
    square = max(height, width) ** 2  # of the plane that daam would have, were the image square
    return site.part != "mid" and int(math.sqrt(cells // square)) != _EXCLUDED_FACTOR


def _sum_of(record: object, indices: tuple[int, ...], head: int, site: Site) -> Tensor:
    """The attention of one head to each token, summed over the passes, [tokens, h, w]."""
    if not isinstance(record, SumRecord) or record.heads != site.heads:
        raise SettingError("daam's formula clamps each head by itself; trace with heads=True")
    return record.tokens(indices, [head]) * sum(record.passes)


def _resized(maps: Tensor, plane: tuple[int, ...]) -> Tensor:
    """The mean over tokens of each map resized and clamped, [height, width]."""
    resized = functional.interpolate(maps[:, None], size=plane, mode="bicubic").clamp_(min=0)
    return resized[:, 0].mean(0)
