"""Part of an image that the network worked on, such as the crop that "only masked" inpainting enlarges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Region", "fitted_region"]

Values = NDArray[np.float32]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Region:
    """Part of an image.

    Attributes:
        left, top, right, bottom: its box in pixels of the image.
        shown: the part of the network's plane that fills the box, (left, top, right, bottom) as fractions.
    """

    left: int
    top: int
    right: int
    bottom: int
    shown: Box = (0.0, 0.0, 1.0, 1.0)

    def place(
        self,
        size: tuple[int, int],
        image_size: tuple[int, int],
        draw: Callable[[tuple[int, int], Box], Values],
    ) -> Values:
        """Return float32 [height, width] of the image's plane: what `draw` gives in the box, zero around it.

        Args:
            size: (height, width) of the result.
            image_size: (height, width) of the image.
            draw: returns the values of a part of the network's plane in a (height, width).
        """
        down, across = size[0] / image_size[0], size[1] / image_size[1]
        top, bottom = round(self.top * down), round(self.bottom * down)
        left, right = round(self.left * across), round(self.right * across)
        plane = np.zeros(size, np.float32)
        inner = (max(bottom, top + 1) - top, max(right, left + 1) - left)
        plane[top : top + inner[0], left : left + inner[1]] = draw(inner, self.shown)[
            : size[0] - top, : size[1] - left
        ]
        return plane


def fitted_region(box: tuple[int, int, int, int], plane: tuple[int, int]) -> Region:
    """Return the region of a box (left, top, right, bottom) that was fitted into the middle of a plane.

    The box keeps its aspect within the plane (height, width). What is left of the plane at two of its sides
    is not in the image.
    """
    left, top, right, bottom = box
    wider = ((right - left) / (bottom - top)) / (plane[1] / plane[0])
    across, down = min(1.0, wider), min(1.0, 1 / wider)
    margins = ((1 - across) / 2, (1 - down) / 2)
    return Region(*box, (margins[0], margins[1], margins[0] + across, margins[1] + down))
