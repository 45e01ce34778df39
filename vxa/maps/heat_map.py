"""A heat map: one map for one selection of tokens, which becomes an array over the image, or a mask of it.

    heat = maps.heat_map("hat")
    heat.upsampled(512, 384)                        # float32 [512, 384]
    heat.mask(512, 384)                             # bool [512, 384]

Its values stay on the grid that they were computed on; the padding of the image's plane is cropped only here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vxa.errors import SettingError
from vxa.maps.notebook import heat_html, shorten

DEFAULT_THRESHOLD = 0.4
"""τ of a mask, as a fraction of the map's maximum."""

REFINED_THRESHOLD = 0.45
"""τ of a refined map's mask: they are flatter inside what they show (benchmarks/papercut.py, joined)."""

LARGEST_SIDE, LARGEST_AREA = 32768, 2**28
"""Pixels of an upsampled map: 1 GB of float32 at the most."""

Resample = Literal["bicubic", "nearest"]
Scale = Literal["probability", "original", "daam"]

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "nearest": Image.Resampling.NEAREST}


@dataclass(frozen=True, eq=False, repr=False)
class HeatMap:
    """One map for one selection of tokens.

    Attributes:
        values: float32 [h, w] on the grid of the padded plane, read-only.
        image_size: (height, width) of the image the maps are of.
        extent: the fraction (of height, of width) of the plane that is image; the rest is padding.
        words: the words selected, as texts; empty when tokens were.
        tokens: the indices of the tokens in it.
        sites: the labels of the sites in it.
        scale: "probability", the mean probability per token; "original", a maximum of one; "daam", a sum over
            steps.
        refined: whether self-attention spread it over what belongs together; of its values the lowest is off.
    """

    values: NDArray[np.float32]
    image_size: tuple[int, int]
    extent: tuple[float, float]
    words: tuple[str, ...] = ()
    tokens: tuple[int, ...] = ()
    sites: tuple[str, ...] = ()
    scale: Scale = "probability"
    refined: bool = False

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
        """τ when none is given, chosen on papercut's `dev` scenes."""
        return REFINED_THRESHOLD if self.refined else DEFAULT_THRESHOLD

    def __post_init__(self) -> None:
        self.values.setflags(write=False)

    def upsampled(
        self, height: int | None = None, width: int | None = None, resample: Resample = "bicubic"
    ) -> NDArray[np.float32]:
        """The map over the image alone, float32 [height, width] (by default the image's own size).

        The padding is cropped exactly, at fractions of a cell; bicubic overshoot below zero is clamped.

        Raises:
            SettingError: a size below 1, or an unknown resampling.
        """
        size = (
            self.image_size[0] if height is None else height,
            self.image_size[1] if width is None else width,
        )
        check_size(size)
        if not isinstance(resample, str) or resample not in _FILTERS:
            raise SettingError(f"resample {resample!r} is unknown; use one of: {', '.join(_FILTERS)}")
        return resized(self.values, size, self.extent, resample)

    def __sub__(self, other: HeatMap) -> SignedMap:
        """This map minus another of the same size and scale: of other words, another step, another run.

        Raises:
            SettingError: they are of other sizes, on other scales, or one alone is refined.
        """
        if not isinstance(other, HeatMap):
            raise SettingError(f"a heat map minus a {type(other).__name__} is nothing; subtract a HeatMap")
        mine, its = ((each.image_size, each.extent, each.scale, each.refined) for each in (self, other))
        if mine != its:
            raise SettingError(
                f"maps of {_described(self)} and {_described(other)} have no difference; "
                "give two of one size and scale, both refined or neither"
            )
        size = max(self.values.shape, other.values.shape, key=lambda shape: shape[0] * shape[1])
        first, second = (_on_grid(each.values, (size[0], size[1])) for each in (self, other))
        return SignedMap(first - second, self.image_size, self.extent)

    def mask(
        self, height: int | None = None, width: int | None = None, threshold: float | None = None
    ) -> NDArray[np.bool_]:
        """Where the smoothly upsampled map reaches `threshold` times its maximum, bool [height, width].

        Raises:
            SettingError: the threshold is not in 0 … 1.
        """
        threshold = self.default_threshold if threshold is None else threshold
        if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
            raise SettingError(f"threshold {threshold!r} is not a fraction of the map's maximum; give 0 to 1")
        values = self.upsampled(height, width)
        mask: NDArray[np.bool_] = (values >= threshold * values.max()) & (values > 0)
        return mask


@dataclass(frozen=True, eq=False, repr=False)
class SignedMap:
    """One heat map minus another: above zero where the first has more.

    Attributes:
        values: float32 [h, w] on the larger of their grids, read-only.
        image_size, extent: as of a HeatMap.
    """

    values: NDArray[np.float32]
    image_size: tuple[int, int]
    extent: tuple[float, float]

    def __post_init__(self) -> None:
        self.values.setflags(write=False)

    def __repr__(self) -> str:
        low, high = float(self.values.min()), float(self.values.max())
        shape = _size(self.values.shape)
        return f"<SignedMap: {shape} grid over {_size(self.image_size)}, {low:.3g} to {high:.3g}>"

    def upsampled(self, height: int | None = None, width: int | None = None) -> NDArray[np.float32]:
        """The difference over the image alone, float32 [height, width] (by default the image's own size)."""
        size = (
            self.image_size[0] if height is None else height,
            self.image_size[1] if width is None else width,
        )
        check_size(size)
        return _cropped(self.values, size, self.extent, "bicubic")


def resized(
    values: NDArray[np.float32], size: tuple[int, int], extent: tuple[float, float], resample: Resample
) -> NDArray[np.float32]:
    """The top-left `extent` of the map as float32 of (height, width), clamped at zero."""
    return np.maximum(_cropped(values, size, extent, resample), 0.0)


def _cropped(
    values: NDArray[np.float32], size: tuple[int, int], extent: tuple[float, float], resample: Resample
) -> NDArray[np.float32]:
    height, width = values.shape
    box = (0.0, 0.0, width * extent[1], height * extent[0])
    image = Image.fromarray(values).resize((size[1], size[0]), _FILTERS[resample], box=box)
    return np.asarray(image, dtype=np.float32)


def mean_on_largest(maps: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The mean on the largest grid among the maps; one map, or maps of one grid, are not resampled."""
    largest = max((values.shape for values in maps), key=lambda shape: shape[0] * shape[1])
    same = [_on_grid(values, (largest[0], largest[1])) for values in maps]
    mean: NDArray[np.float32] = np.mean(same, axis=0, dtype=np.float32)
    return mean


def _on_grid(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
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


def _described(heat: HeatMap) -> str:
    refined = ", refined" if heat.refined else ""
    return f"{_size(heat.image_size)} ({heat.scale}{refined})"
