"""Refinement of heat maps by self-attention: the product A M of self-attention A and map M.

Each position of A M is the mean of the map over the positions that it attends to, weighted by attention. The
parts of an object attend to one another, so a refined map fills the object and follows its edges
(DiffSegmenter, Wang et al. 2023, arXiv:2309.02773).

Each site's map is multiplied by A separately. The power mean then combines the sites and gives more weight to
those with high values. Every position attends a little to all others, which raises the whole map, so its
minimum is subtracted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from vxa.attention.records import SiteRecord
from vxa.errors import SettingError
from vxa.maps.heat_map import mean_on_largest, resized

POWER = 1.5
"""Exponent p of the power mean over sites, (Σ xᵖ / n)^(1/p); 1 is the arithmetic mean.

Chosen on papercut's `dev` by benchmarks/papercut.py (choices): mean IoU 0.758 on rendered pictures and 0.702
on generated ones. The arithmetic mean gives 0.760 and 0.691; p = 3 gives 0.748 and 0.708."""

Values = NDArray[np.float32]


def refine_maps(
    by_site: Sequence[Values], own: Sequence[SiteRecord], extent: tuple[float, float] = (1.0, 1.0)
) -> list[Values]:
    """Return one refined map [h, w] per map.

    `by_site` holds each site's maps, [maps, site h, site w]; `own` holds the self-attention records. `extent`
    is the fraction (of height, of width) of the plane that is image.

    Raises:
        SettingError: no self-attention was recorded, or none of the picture's own.
    """
    if not own:
        raise SettingError(
            "these maps have no self-attention to be refined by; make them again with refine: "
            "vxa.visualize(…, refine=True), or vxa show --refine"
        )
    return list(joined(gathered(by_site, own), extent))


def gathered(by_site: Sequence[Values], own: Sequence[SiteRecord]) -> Values:
    """Multiply each site's maps by every self-attention record and return the mean over the records.

    The result is [sites, maps, h, w] on the largest grid among the records.
    """
    flat = [each for maps in by_site for each in maps]
    by_record = [_multiply(flat, record) for record in own]
    means = np.stack([mean_on_largest(list(of_one)) for of_one in zip(*by_record, strict=True)])
    return means.reshape(len(by_site), -1, *means.shape[1:])


def joined(sites: Values, extent: tuple[float, float], power: float = POWER) -> Values:
    """Return the power mean over the sites, [maps, h, w], minus its minimum within the image."""
    mean: Values = np.power(np.power(sites, power).mean(axis=0), 1 / power)
    height, width = (math.ceil(side * share) for side, share in zip(mean.shape[1:], extent, strict=True))
    lowest = mean[:, :height, :width].min(axis=(1, 2), keepdims=True)
    offset_removed: Values = np.maximum(mean - lowest, 0.0)
    return offset_removed


def _multiply(maps: Sequence[Values], record: SiteRecord) -> Values:
    grid = record.grid
    same = [each if each.shape == grid else resized(each, grid, (1.0, 1.0), "bicubic") for each in maps]
    product: Values = (
        record.gather(torch.from_numpy(np.stack(same).reshape(len(maps), -1))).detach().cpu().numpy()
    )
    if not product.any() and any(each.any() for each in maps):
        raise SettingError(
            "these maps cannot be refined: under steering the picture attended to nothing of its own in the "
            "layers that refine them; ask with refine=False"
        )
    return product
