"""Refining maps by self-attention: A M, what each place takes of a map from the places it attends to.

Parts of one thing attend to one another, so a refined map fills the thing and follows its edges
(DiffSegmenter, Wang et al. 2023, arXiv:2309.02773). Every place attends a little to everything, which lifts
the whole map: what its lowest place has is taken off, so that what is left is where the word is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from vxa.attention.record import SiteRecord
from vxa.errors import SettingError
from vxa.heat_map import mean_on_largest, resized

Values = NDArray[np.float32]


def refined(
    maps: Sequence[Values], own: Sequence[SiteRecord], extent: tuple[float, float] = (1.0, 1.0)
) -> list[Values]:
    """Each map [h, w] gathered through every self-attention record, the mean of them on the largest grid.

    Its lowest value within the `extent` (of height, of width) that is image is taken off.

    Raises:
        SettingError: there is no self-attention.
    """
    if not own:
        raise SettingError(
            "these maps have no self-attention to be refined by; make them again with refine: "
            "vxa.visualize(…, refine=True), or vxa show --refine"
        )
    by_site = [_gathered(maps, record) for record in own]
    return [_lowered(mean_on_largest(list(of_one)), extent) for of_one in zip(*by_site, strict=True)]


def _lowered(values: Values, extent: tuple[float, float]) -> Values:
    height, width = (math.ceil(side * share) for side, share in zip(values.shape, extent, strict=True))
    lowered: Values = np.maximum(values - values[:height, :width].min(), 0.0)
    return lowered


def _gathered(maps: Sequence[Values], record: SiteRecord) -> Values:
    grid = record.grid
    same = [each if each.shape == grid else resized(each, grid, (1.0, 1.0), "bicubic") for each in maps]
    gathered: Values = record.gather(torch.from_numpy(np.stack(same).reshape(len(maps), -1))).numpy()
    return gathered
