"""Maps that follow the edges of a picture: the guided filter (He et al. 2010; 2013, TPAMI 35(6)).

    sharp = follow_edges(values, picture)           # float32 [h, w], for a mask

Within every window the result is an affine function of the picture's colours, the one that fits the map best.
So it changes where the colours change, and nowhere else. The map is then no longer attention alone: it is a
choice for masks, never for heat maps. Papercut's flat colours make it easy; texture makes it harder.

The coefficients are computed at no more than `LONGEST` pixels (He and Sun 2015, arXiv:1505.00996), so that
time and memory do not grow with the picture.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vxa.errors import SettingError

__all__ = ["EdgeFilter", "follow_edges", "picture_of_size"]

RADIUS = 12 / 256
"""Radius of the window, as a share of the picture's longer side."""

EPSILON = 1e-4
"""Variance of colour, of values in [0, 1], below which a window counts as flat. RADIUS and EPSILON were
chosen on papercut's `dev`; half and twice the radius, and ten times more and less, gave the same within the
noise."""

LONGEST = 512

Values = NDArray[np.float32]


def follow_edges(values: Values, picture: Image.Image) -> Values:
    """Return a map, float32 [h, w], filtered along the colours of a picture of any size; it is ≥ 0."""
    height, width = values.shape
    return EdgeFilter(picture, (height, width))(values)


class EdgeFilter:
    """The guided filter of one picture, for maps of one size: what does not depend on the map is kept.

    In every window, slope = (Σ + ε)⁻¹ cov(guide, map) and offset = mean(map) − slope · mean(guide), with Σ
    the covariance of the guide's three channels (He et al. 2013, eq. 14 and 15).

    Args:
        picture: the guide, of any size.
        size: (height, width) of the maps.
    """

    def __init__(self, picture: Image.Image, size: tuple[int, int]) -> None:
        scale = min(1.0, LONGEST / max(size))
        self._size = size
        self._small = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
        self._radius = max(1, round(RADIUS * max(self._small)))
        self._full = _colours(picture, size)
        self._guide = self._full if self._small == size else _colours(picture, self._small)
        self._mean = self._windows(self._guide)
        products = self._windows((self._guide[:, None] * self._guide).flatten(0, 1))
        covariance = products.reshape(3, 3, *self._small) - self._mean[:, None] * self._mean
        ridge = EPSILON * torch.eye(3)[:, :, None, None]
        self._inverse = torch.linalg.inv((covariance + ridge).permute(2, 3, 0, 1)).permute(2, 3, 0, 1)

    @torch.no_grad()
    def __call__(self, values: Values) -> Values:
        """Return the map, float32 [h, w], filtered; it is ≥ 0."""
        target = _resize(torch.tensor(values)[None], self._small)
        mean = self._windows(target)
        along = self._windows(self._guide * target) - self._mean * mean
        slope = (self._inverse * along).sum(1)
        offset = mean - (slope * self._mean).sum(0, keepdim=True)
        slope, offset = (_resize(self._windows(each), self._size) for each in (slope, offset))
        filtered: Values = ((slope * self._full).sum(0) + offset[0]).clamp_(min=0).numpy()
        return filtered

    def _windows(self, planes: Tensor) -> Tensor:
        """Return the mean of every window of planes [n, h, w]; windows are cut at the border."""
        side = 2 * self._radius + 1
        for kernel, padding in (((side, 1), (self._radius, 0)), ((1, side), (0, self._radius))):
            planes = functional.avg_pool2d(planes[None], kernel, 1, padding, count_include_pad=False)[0]
        return planes


def picture_of_size(picture: object, size: tuple[int, int]) -> Image.Image:
    """Return the picture, PIL or uint8 [h, w, 3], as PIL; its (height, width) must be `size`.

    Raises:
        SettingError: it is no picture, or has another size.
    """
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim in (2, 3):
        picture = Image.fromarray(picture)
    if not isinstance(picture, Image.Image):
        raise SettingError(
            f"edges of a {type(picture).__name__} cannot be followed; give the image that the map is of, "
            "as PIL or as uint8 [height, width, 3]"
        )
    if (picture.height, picture.width) != size:
        raise SettingError(
            f"the picture whose edges to follow is {picture.height}×{picture.width} (height×width) and the "
            f"map is of one of {size[0]}×{size[1]}; give the image that the map is of"
        )
    return picture


def _resize(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize planes [n, h, w] by bilinear interpolation."""
    if planes.shape[1:] == size:
        return planes
    return functional.interpolate(planes[None], size=size, mode="bilinear", antialias=True)[0]


def _colours(picture: Image.Image, size: tuple[int, int]) -> Tensor:
    """Return the picture's colours, float32 [3, h, w] in [0, 1]."""
    rgb = picture.convert("RGB")
    if rgb.size != size[::-1]:
        rgb = rgb.resize(size[::-1], Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(rgb, np.float32) / 255).permute(2, 0, 1).contiguous()
