"""How maps are shown: scale, threshold, opacity, colours, interpolation."""

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
    """How maps are shown; every question stays answerable under every view.

    Attributes:
        normalize: "max" divides each map by its largest value; "minmax" stretches its own range; "absolute"
            shows probabilities on a scale of 0 to 1, comparable over words, sites and images; "original" is
            the original extension's Σ heads Σ tokens / max of one site.
        threshold: of the mask, as a fraction of the map's maximum; None is the default chosen on dev scenes.
        opacity: of an overlay, 0 (the image alone) to 1 (the map alone).
        colormap: "inferno", "magma" or "viridis".
        resample: "bicubic", or "nearest" to see the attention grid itself.

    Raises SettingError for a value outside these.
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
        """The map in [0, 1], float32 of (height, width), and the values that 0 and 1 stand for."""
        return self.normalize_values(self.values(heat, size))

    def values(self, heat: HeatMap, size: tuple[int, int]) -> NDArray[np.float32]:
        """The map's own values, float32 of (height, width)."""
        return heat.upsampled(*size, resample=self.resample)

    def normalize_values(self, values: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, float]:
        """The values of one map, or of several on one scale, in [0, 1], and what 0 and 1 stand for."""
        return normalized(values, "max" if self.normalize == "original" else self.normalize)

    def cut(self, heat: HeatMap) -> float:
        """The threshold in use for the map."""
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
