"""Image regions: the areas of a picture that show the image. They map the picture's pixels to image pixels.

    picture = render(maps, image, "matrix")
    image_spot(image_regions(picture), (512, 512), (300, 410))      # row, column, ImageRegion

`mark_image_region` registers a region where an overlay is drawn, and `carry` copies regions when pictures are
assembled into a figure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from PIL import Image

__all__ = ["ImageRegion", "carry", "image_regions", "image_spot", "mark_image_region", "renumber"]

_KEY = "vxa_windows"  # key in a picture's `info`; files do not contain it


@dataclass(frozen=True)
class ImageRegion:
    """Area of a picture that shows the whole image.

    Attributes:
        left, top, width, height: position and size in pixels of the picture.
        site: the name of the area's single site; None is the sites of the picture's selection.
        number: the index of the pass.
    """

    left: int
    top: int
    width: int
    height: int
    site: str | None = None
    number: int = 0


def mark_image_region(picture: Image.Image, site: str | None = None, number: int = 0) -> Image.Image:
    """Mark the whole picture as an image region, and return it."""
    picture.info[_KEY] = (ImageRegion(0, 0, picture.width, picture.height, site, number),)
    return picture


def image_regions(picture: Image.Image) -> tuple[ImageRegion, ...]:
    """Return the picture's image regions; empty if none were marked."""
    regions: tuple[ImageRegion, ...] = picture.info.get(_KEY, ())
    return regions


def renumber(picture: Image.Image, first: int) -> Image.Image:
    """Count the passes of a picture's image regions from `first` on, and return the picture."""
    picture.info[_KEY] = tuple(replace(each, number=each.number + first) for each in image_regions(picture))
    return picture


def carry(onto: Image.Image, piece: Image.Image, left: int, top: int) -> None:
    """Copy the image regions of a piece, pasted at (left, top), to the picture it was pasted onto."""
    moved = (replace(each, left=each.left + left, top=each.top + top) for each in image_regions(piece))
    onto.info[_KEY] = (*image_regions(onto), *moved)


def image_spot(
    regions: Iterable[ImageRegion], image_size: tuple[int, int], pixel: tuple[int, int]
) -> tuple[int, int, ImageRegion] | None:
    """Return the image's row and column at `pixel`, and the region; None outside all regions.

    `pixel` is (row, column) in the picture, `image_size` is (height, width).
    """
    for region in regions:
        row = (pixel[0] - region.top) * image_size[0] // region.height
        column = (pixel[1] - region.left) * image_size[1] // region.width
        if 0 <= row < image_size[0] and 0 <= column < image_size[1]:
            return row, column, region
    return None
