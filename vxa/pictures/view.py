"""Display settings of maps: scale, threshold, opacity, colours, interpolation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from vxa.errors import SettingError
from vxa.maps.heat_map import HeatMap, Resample
from vxa.pictures.colormaps import COLORMAPS
from vxa.pictures.shading import NORMALIZATIONS, normalized

__all__ = ["RESAMPLES", "VIEW_NORMALIZATIONS", "View"]

RESAMPLES: tuple[str, ...] = get_args(Resample)
VIEW_NORMALIZATIONS = (*NORMALIZATIONS, "original")


@dataclass(frozen=True)
class View:
    """Display settings of heat maps; the maps' values do not depend on them.

    Attributes:
        normalize: "max" divides each map by its largest value; "minmax" stretches its own range; "absolute"
            shows probabilities on a scale of 0 to 1, comparable across words, sites and images; "original" is
            the original extension's Σ heads Σ tokens / max, for one site.
        threshold: the mask's threshold, as a fraction of the map's maximum; None is
            `HeatMap.default_threshold`.
        opacity: the opacity of an overlay, from 0 (only the image) to 1 (only the map).
        colormap: "inferno", "magma" or "viridis".
        resample: "bicubic", or "nearest" to show the cells of the attention grid.

    Raises SettingError for any other value.
    """

    normalize: str = "max"
    threshold: float | None = None
    opacity: float = 0.8
    colormap: str = "inferno"
    resample: Resample = "bicubic"

    def __post_init__(self) -> None:
        _check_choice("normalize", self.normalize, VIEW_NORMALIZATIONS)
        _check_choice("resample", self.resample, RESAMPLES)
        _check_fraction("opacity", self.opacity)
        if self.threshold is not None:
            _check_fraction("threshold", self.threshold)
        _check_choice("colormap", self.colormap, COLORMAPS)

    def shade(self, heat: HeatMap, size: tuple[int, int]) -> tuple[NDArray[np.float32], float, float]:
        """Return the map in [0, 1], float32 [height, width], and the values that 0 and 1 stand for."""
        return self.normalize_values(self.values(heat, size))

    def values(self, heat: HeatMap, size: tuple[int, int]) -> NDArray[np.float32]:
        """Return the map's own values, float32 [height, width], at `size` (height, width)."""
        return heat.upsampled(*size, resample=self.resample)

    def normalize_values(self, values: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, float]:
        """Scale one map, or several on one scale, into [0, 1]; return also the values of 0 and 1."""
        return normalized(values, "max" if self.normalize == "original" else self.normalize)

    def cut(self, heat: HeatMap) -> float:
        """Return the threshold used for the map."""
        return heat.default_threshold if self.threshold is None else self.threshold


def _check_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SettingError(f"{name} {value!r} is unknown; choose one of {', '.join(allowed)}")


def _check_fraction(name: str, value: Any) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not math.isfinite(value)
        or not 0 <= value <= 1
    ):
        raise SettingError(f"{name} {value!r} is out of range; give a number from 0 to 1")
