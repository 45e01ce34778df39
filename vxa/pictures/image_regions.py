"""Where a picture shows the image it is of: windows, carried along as a figure is put together.

    picture = render(maps, image, "matrix")
    image_spot(windows(picture), (512, 512), (300, 410))      # the row, the column, the window

A window is known by what is drawn in it, so that a pixel of any figure can be followed back into the image.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from PIL import Image

__all__ = ["Window", "carry", "image_spot", "windowed", "windows"]

_KEY = "vxa_windows"  # in a picture's `info`, of which its files hold nothing


@dataclass(frozen=True)
class Window:
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


def windowed(picture: Image.Image, site: str | None = None, number: int = 0) -> Image.Image:
    """The picture, which from now on is known to show the image."""
    picture.info[_KEY] = (Window(0, 0, picture.width, picture.height, site, number),)
    return picture


def windows(picture: Image.Image) -> tuple[Window, ...]:
    """Where the picture shows the image; nowhere, when nobody knows."""
    known: tuple[Window, ...] = picture.info.get(_KEY, ())
    return known


def carry(onto: Image.Image, piece: Image.Image, left: int, top: int) -> None:
    """The windows of a piece that was put there become those of the picture that it was put onto."""
    moved = (replace(each, left=each.left + left, top=each.top + top) for each in windows(piece))
    onto.info[_KEY] = (*windows(onto), *moved)


def image_spot(
    shown: Iterable[Window], image_size: tuple[int, int], pixel: tuple[int, int]
) -> tuple[int, int, Window] | None:
    """The image's row and column under the picture's (row, column), and the window; None beside them all.

    `image_size` is (height, width).
    """
    for window in shown:
        row = (pixel[0] - window.top) * image_size[0] // window.height
        column = (pixel[1] - window.left) * image_size[1] // window.width
        if 0 <= row < image_size[0] and 0 <= column < image_size[1]:
            return row, column, window
    return None
