"""Heat maps: one map per selection of tokens, readable as an array over the image or as a mask.

    heat = maps.heat_map("hat")
    heat.upsampled(512, 384)                        # float32 [512, 384]
    heat.mask(512, 384)                             # bool [512, 384]

Values keep the grid they were computed on. `upsampled` and `mask` crop the padding of the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vxa.errors import SettingError
from vxa.maps.edges import follow_edges, picture_of_size
from vxa.maps.notebook import heat_html
from vxa.maps.region import Region
from vxa.tokens import shorten

DEFAULT_THRESHOLD = 0.35
"""Threshold τ of a mask, as a fraction of the map's maximum (benchmarks/papercut.py, choices)."""

REFINED_THRESHOLD = 0.45
"""Threshold τ for refined maps, which are flatter inside an object (the same)."""

EDGES_THRESHOLD = 0.45
"""Threshold τ of a mask that follows the picture's edges (the same)."""

LARGEST_SIDE, LARGEST_AREA = 32768, 2**28
"""Pixels of an upsampled map: 1 GB of float32 at the most."""

Resample = Literal["bicubic", "nearest"]
Scale = Literal["probability", "original", "daam"]

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "nearest": Image.Resampling.NEAREST}


@dataclass(frozen=True, eq=False, repr=False)
class HeatMap:
    """Heat map of one selection of tokens.

    Attributes:
        values: float32 [h, w] on the grid of the padded image, read-only.
        image_size: (height, width) of the image.
        extent: the fraction (of height, of width) of the padded image that is image; the rest is padding.
        words: the texts of the selected words; empty if tokens were selected.
        tokens: the indices of the averaged tokens.
        sites: the labels of the averaged sites.
        scale: "probability" (mean probability per token), "original" (maximum 1) or "daam" (sum over steps).
        refined: whether self-attention refined the map; if so, its minimum within the image was subtracted.
        region: the part of the image that the map is of; None is all of it.
    """

    values: NDArray[np.float32]
    image_size: tuple[int, int]
    extent: tuple[float, float]
    words: tuple[str, ...] = ()
    tokens: tuple[int, ...] = ()
    sites: tuple[str, ...] = ()
    scale: Scale = "probability"
    refined: bool = False
    region: Region | None = None

    def __repr__(self) -> str:
        words = ", ".join(dict.fromkeys(self.words)) or f"{len(self.tokens)} tokens"
        refined = ", refined" if self.refined else ""
        return (
            f"<HeatMap of {shorten(words)!r}: {_size(self.values.shape)} grid over {_size(self.image_size)}, "
            f"{len(self.sites)} sites, peak {self.values.max():.3g} ({self.scale}{refined})>"
        )

    def _repr_html_(self) -> str:
        return heat_html(self)

    @property
    def default_threshold(self) -> float:
        """Threshold used when none is given, chosen on papercut's `dev` scenes."""
        return REFINED_THRESHOLD if self.refined else DEFAULT_THRESHOLD

    def __post_init__(self) -> None:
        self.values.setflags(write=False)

    def upsampled(
        self, height: int | None = None, width: int | None = None, resample: Resample = "bicubic"
    ) -> NDArray[np.float32]:
        """Return the map over the image, float32 [height, width]; by default in the image's size.

        Padding is cropped exactly, at fractions of a cell. Bicubic undershoot below zero is clamped. Outside
        the map's region it is zero.

        Raises:
            SettingError: a size is below 1, or the resampling is unknown.
        """
        size = (
            self.image_size[0] if height is None else height,
            self.image_size[1] if width is None else width,
        )
        check_size(size)
        if not isinstance(resample, str) or resample not in _FILTERS:
            raise SettingError(f"resample {resample!r} is unknown; use one of: {', '.join(_FILTERS)}")
        return np.maximum(over_image(self, size, resample), 0.0)

    def __sub__(self, other: HeatMap) -> SignedMap:
        """Subtract another map of the same image size and scale, for example of other words, steps or runs.

        The difference is on the larger of the two grids.

        Raises:
            SettingError: the image sizes, extents or scales differ, or only one of the maps is refined.
        """
        if not isinstance(other, HeatMap):
            raise SettingError(f"a heat map minus a {type(other).__name__} is nothing; subtract a HeatMap")
        mine, its = (
            (each.image_size, each.extent, each.scale, each.refined, each.region) for each in (self, other)
        )
        if mine != its:
            raise SettingError(
                f"maps of {_describe(self)} and {_describe(other)} have no difference; "
                "give two of one size and scale, both refined or neither"
            )
        size = max(self.values.shape, other.values.shape, key=lambda shape: shape[0] * shape[1])
        first, second = (_resize_to_grid(each.values, (size[0], size[1])) for each in (self, other))
        return SignedMap(first - second, self.image_size, self.extent, self.region)

    def mask(
        self,
        height: int | None = None,
        width: int | None = None,
        threshold: float | None = None,
        edges: Image.Image | NDArray[np.uint8] | None = None,
    ) -> NDArray[np.bool_]:
        """Return a bool mask [height, width], True where the map reaches `threshold` times its maximum.

        The map is upsampled bicubically. Zeros are never in the mask.

        Args:
            height, width: size of the mask; by default the image's.
            threshold: fraction of the maximum; None is `default_threshold`, or `EDGES_THRESHOLD` with edges.
            edges: the image that the map is of, PIL or uint8 [h, w, 3]. The mask then follows its edges
                (`vxa.maps.edges`) and is no longer of attention alone.

        Raises:
            SettingError: the threshold is outside 0 … 1, a size is below 1, or `edges` is not an image of the
                map's size.
        """
        if threshold is None:
            threshold = self.default_threshold if edges is None else EDGES_THRESHOLD
        if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
            raise SettingError(f"threshold {threshold!r} is not a fraction of the map's maximum; give 0 to 1")
        values = self.upsampled(height, width)
        if edges is not None:
            inside = values > 0 if self.region else True  # around its region a map says nothing
            values = follow_edges(values, picture_of_size(edges, self.image_size)) * inside
        mask: NDArray[np.bool_] = (values >= threshold * values.max()) & (values > 0)
        return mask


@dataclass(frozen=True, eq=False, repr=False)
class SignedMap:
    """Difference of two heat maps, positive where the first one is higher.

    Attributes:
        values: float32 [h, w] on the larger of the two grids, read-only.
        image_size, extent, region: as in HeatMap.
    """

    values: NDArray[np.float32]
    image_size: tuple[int, int]
    extent: tuple[float, float]
    region: Region | None = None

    def __post_init__(self) -> None:
        self.values.setflags(write=False)

    def __repr__(self) -> str:
        low, high = float(self.values.min()), float(self.values.max())
        shape = _size(self.values.shape)
        return f"<SignedMap: {shape} grid over {_size(self.image_size)}, {low:.3g} to {high:.3g}>"

    def upsampled(self, height: int | None = None, width: int | None = None) -> NDArray[np.float32]:
        """Return the difference over the image, float32 [height, width]; by default in the image's size."""
        size = (
            self.image_size[0] if height is None else height,
            self.image_size[1] if width is None else width,
        )
        check_size(size)
        return over_image(self, size, "bicubic")


def over_image(heat: HeatMap | SignedMap, size: tuple[int, int], resample: Resample) -> NDArray[np.float32]:
    """Return the values of a map over the image, float32 [height, width], not clamped."""
    down, across = heat.extent
    if heat.region is None:
        return _crop_and_resize(heat.values, size, (0.0, 0.0, across, down), resample)
    return heat.region.place(
        size, heat.image_size, lambda inner, box: _crop_and_resize(heat.values, inner, box, resample)
    )


def resized(
    values: NDArray[np.float32], size: tuple[int, int], extent: tuple[float, float], resample: Resample
) -> NDArray[np.float32]:
    """Resize the top-left `extent` of the map to float32 [height, width], clamped at zero."""
    return np.maximum(_crop_and_resize(values, size, (0.0, 0.0, extent[1], extent[0]), resample), 0.0)


def _crop_and_resize(
    values: NDArray[np.float32],
    size: tuple[int, int],
    part: tuple[float, float, float, float],
    resample: Resample,
) -> NDArray[np.float32]:
    """Resize a part of the values, (left, top, right, bottom) as fractions, to [height, width]."""
    height, width = values.shape
    box = (part[0] * width, part[1] * height, part[2] * width, part[3] * height)
    image = Image.fromarray(values).resize((size[1], size[0]), _FILTERS[resample], box=box)
    return np.asarray(image, dtype=np.float32)


def mean_on_largest(maps: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the mean of the maps on the largest grid among them; a map already on it is not resampled."""
    largest = max((values.shape for values in maps), key=lambda shape: shape[0] * shape[1])
    same = [_resize_to_grid(values, (largest[0], largest[1])) for values in maps]
    mean: NDArray[np.float32] = np.mean(same, axis=0, dtype=np.float32)
    return mean


def _resize_to_grid(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    return values if values.shape == size else resized(values, size, (1.0, 1.0), "bicubic")


def check_size(size: tuple[int, int]) -> None:
    """Raise SettingError for a (height, width) that is no pair of whole numbers, or is too large."""
    whole = all(isinstance(side, (int, np.integer)) and not isinstance(side, bool) for side in size)
    if not whole or min(size) < 1 or max(size) > LARGEST_SIDE or size[0] * size[1] > LARGEST_AREA:
        raise SettingError(
            f"a map cannot be {size[0]!r}×{size[1]!r} (height×width); give whole numbers from 1 to "
            f"{LARGEST_SIDE}, together at most {LARGEST_AREA} pixels"
        )


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]}×{shape[1]}"


def _describe(heat: HeatMap) -> str:
    refined = ", refined" if heat.refined else ""
    return f"{_size(heat.image_size)} ({heat.scale}{refined})"
