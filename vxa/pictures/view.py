"""Display settings of maps: scale, threshold, opacity, colours, interpolation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vxa.settings import Settings, setting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vxa.maps.heat_map import HeatMap, Resample

__all__ = ["COLORMAPS", "RESAMPLES", "VIEW_NORMALIZATIONS", "View"]

COLORMAPS = ("inferno", "magma", "viridis")
VIEW_NORMALIZATIONS = ("max", "minmax", "absolute", "original")
RESAMPLES = ("bicubic", "nearest")


@dataclass(frozen=True)
class View(Settings):
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

    normalize: str = setting(
        "max",
        "Scale",
        "What the brightest colour stands for.",
        choices=VIEW_NORMALIZATIONS,
        entry="VXA scale",
    )
    threshold: float | None = setting(
        None,
        "Threshold",
        "Of the contour and the mask, as a fraction of the map's maximum.",
        low=0,
        high=1,
        step=0.05,
        entry="VXA threshold",
    )
    opacity: float = setting(
        0.8,
        "Opacity",
        "Of an overlay, 0 (the image alone) to 1 (the map alone).",
        low=0,
        high=1,
        step=0.05,
        entry="VXA opacity",
    )
    colormap: str = setting(
        "inferno", "Colour map", "Colours of the map.", choices=COLORMAPS, entry="VXA colour map"
    )
    resample: Resample = setting(
        "bicubic", "Interpolation", "nearest shows the model's grid.", choices=RESAMPLES, entry="VXA drawn"
    )

    def shade(self, heat: HeatMap, size: tuple[int, int]) -> tuple[NDArray[np.float32], float, float]:
        """Return the map in [0, 1], float32 [height, width], and the values that 0 and 1 stand for."""
        return self.normalize_values(self.values(heat, size))

    def values(self, heat: HeatMap, size: tuple[int, int]) -> NDArray[np.float32]:
        """Return the map's own values, float32 [height, width], at `size` (height, width)."""
        return heat.upsampled(*size, resample=self.resample)

    def normalize_values(self, values: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, float]:
        """Scale one map, or several together, into [0, 1]; return also the values of 0 and 1."""
        from vxa.pictures.shading import normalized

        return normalized(values, "max" if self.normalize == "original" else self.normalize)

    def cut(self, heat: HeatMap) -> float:
        """Return the threshold used for the map."""
        return heat.default_threshold if self.threshold is None else self.threshold
