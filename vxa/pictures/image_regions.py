"""Where a picture shows the image it is of: its image regions, carried along as a figure is put together.

    picture = render(maps, image, "matrix")
    image_spot(image_regions(picture), (512, 512), (300, 410))      # the row, the column, the window

A window is known by what is drawn in it, so that a pixel of any figure can be followed back into the image.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from PIL import Image

__all__ = ["ImageRegion", "carry", "image_regions", "image_spot", "show_image_region"]

_KEY = "vxa_windows"  # in a picture's `info`, of which its files hold nothing


@dataclass(frozen=True)
class ImageRegion:
    """One place where a picture shows the whole image.

    Attributes:
        left, top, width, height: in pixels of the picture.
        site: the name of the one site it is of; None for those of the question.
        number: which of the passes it is of.
    """

    left: int
    top: int
    width: int
    height: int
    site: str | None = None
    number: int = 0


def show_image_region(picture: Image.Image, site: str | None = None, number: int = 0) -> Image.Image:
    """The picture, which from now on is known to show the image."""
    picture.info[_KEY] = (ImageRegion(0, 0, picture.width, picture.height, site, number),)
    return picture


def image_regions(picture: Image.Image) -> tuple[ImageRegion, ...]:
    """Where the picture shows the image; nowhere, when nobody knows."""
    known: tuple[ImageRegion, ...] = picture.info.get(_KEY, ())
    return known


def carry(onto: Image.Image, piece: Image.Image, left: int, top: int) -> None:
    """The image regions of a piece that was put there become those of the picture that it was put onto."""
    moved = (replace(each, left=each.left + left, top=each.top + top) for each in image_regions(piece))
    onto.info[_KEY] = (*image_regions(onto), *moved)


def image_spot(
    shown: Iterable[ImageRegion], image_size: tuple[int, int], pixel: tuple[int, int]
) -> tuple[int, int, ImageRegion] | None:
    """The image's row and column under the picture's (row, column), and the window; None beside them all.

    `image_size` is (height, width).
    """
    for window in shown:
        row = (pixel[0] - window.top) * image_size[0] // window.height
        column = (pixel[1] - window.left) * image_size[1] // window.width
        if 0 <= row < image_size[0] and 0 <= column < image_size[1]:
            return row, column, window
    return None
