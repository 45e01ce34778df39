"""Refining maps by self-attention: A M, what each place takes of a map from the places it attends to.

Parts of one thing attend to one another, so a refined map fills the thing and follows its edges
(DiffSegmenter, Wang et al. 2023, arXiv:2309.02773). Each site's map is gathered by itself; their power mean
joins them, which follows the sites that found the word more than those that did not. Every place attends a
little to everything, which lifts the whole map: what its lowest place has is taken off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from vxa.attention.recording import SiteRecord
from vxa.errors import SettingError
from vxa.maps.heat_map import mean_on_largest, resized

POWER = 1.5
"""p of the power mean over sites, (Σ xᵖ / n)^(1/p); 1 is the mean. Chosen on papercut's `dev` by
benchmarks/papercut.py (joined): mean IoU 0.708 of rendered pictures and 0.637 of generated ones, where the
mean reads 0.709 and 0.627; with the down part's self-attention, too, 0.723 and 0.627."""

Values = NDArray[np.float32]


def refine_maps(
    by_site: Sequence[Values], own: Sequence[SiteRecord], extent: tuple[float, float] = (1.0, 1.0)
) -> list[Values]:
    """One refined map [h, w] for each of the maps, of which every site has its own: [maps, its h, its w].

    `extent` is the fraction (of height, of width) that is image.

    Raises:
        SettingError: there is no self-attention.
    """
    if not own:
        raise SettingError(
            "these maps have no self-attention to be refined by; make them again with refine: "
            "vxa.visualize(…, refine=True), or vxa show --refine"
        )
    return list(joined(gathered(by_site, own), extent))


def gathered(by_site: Sequence[Values], own: Sequence[SiteRecord]) -> Values:
    """Each site's maps gathered through every self-attention record: their mean, [sites, maps, h, w] on the
    largest grid among the records."""
    flat = [each for maps in by_site for each in maps]
    by_record = [_gathered(flat, record) for record in own]
    means = np.stack([mean_on_largest(list(of_one)) for of_one in zip(*by_record, strict=True)])
    return means.reshape(len(by_site), -1, *means.shape[1:])


def joined(sites: Values, extent: tuple[float, float], power: float = POWER) -> Values:
    """The power mean over the sites, less its lowest value within the image: [maps, h, w]."""
    mean: Values = np.power(np.power(sites, power).mean(axis=0), 1 / power)
    height, width = (math.ceil(side * share) for side, share in zip(mean.shape[1:], extent, strict=True))
    lowest = mean[:, :height, :width].min(axis=(1, 2), keepdims=True)
    lowered: Values = np.maximum(mean - lowest, 0.0)
    return lowered


def _gathered(maps: Sequence[Values], record: SiteRecord) -> Values:
    grid = record.grid
    same = [each if each.shape == grid else resized(each, grid, (1.0, 1.0), "bicubic") for each in maps]
    gathered: Values = record.gather(torch.from_numpy(np.stack(same).reshape(len(maps), -1))).numpy()
    return gathered
