"""Layout of figures: text, rows, columns, grids and colour bars, assembled from small pictures.

Each function takes pictures and returns a new one on the same white background, so calls nest as the figure
does.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vxa.pictures.colormaps import colormap
from vxa.pictures.image_regions import carry

__all__ = [
    "GAP",
    "GROUND",
    "INK",
    "LETTER",
    "MUTED",
    "SMALL",
    "above",
    "beside",
    "blank",
    "cell",
    "colour_bar",
    "figure",
    "fitting",
    "framed",
    "grid",
    "heading",
    "shorten",
    "spread",
    "text",
]

Colour = tuple[int, int, int]
GROUND: Colour = (255, 255, 255)
INK: Colour = (31, 36, 48)
MUTED: Colour = (112, 119, 132)

LETTER, SMALL = 17, 14  # font sizes of a cell, in pixels
GAP = 12

_BITMAP_FONT_HEIGHT = 11
# Linux, Windows, macOS; Pillow looks for them, by these exact names, in the folders of the system.
_SYSTEM_FONTS = ("DejaVuSans.ttf", "arial.ttf", "segoeui.ttf", "Arial.ttf", "Helvetica.ttc")


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's scalable font, which Pillow before 10.1 and one without FreeType do not have.

    Else return a font of the system; else Pillow's bitmap font.
    """
    try:
        return ImageFont.load_default(size)
    except (TypeError, ImportError):
        for name in _SYSTEM_FONTS:
            with contextlib.suppress(OSError, ImportError):  # no such font; no FreeType
                return ImageFont.truetype(name, size)
        return ImageFont.load_default()


@lru_cache(maxsize=1024)
def _text_mask(string: str, size: int) -> Image.Image:
    """Return the string as an L mask of the full line height, so that baselines align; never empty."""
    string = "".join(character if character.isprintable() else " " for character in string)
    font = _font(size)
    if isinstance(font, ImageFont.FreeTypeFont):
        height, width = sum(font.getmetrics()), math.ceil(font.getlength(string)) + 1
        mask = Image.new("L", (width, height))
        ImageDraw.Draw(mask).text((0, 0), string, fill=255, font=font)
        return mask
    plain = string.replace("…", "...").replace("·", "-").encode("latin-1", "replace").decode("latin-1")
    width = max(1, math.ceil(font.getbbox(plain)[2]))
    mask = Image.new("L", (width, _BITMAP_FONT_HEIGHT))
    ImageDraw.Draw(mask).text((0, 0), plain, fill=255, font=font)
    scale = max(1, round(size / _BITMAP_FONT_HEIGHT))
    return mask.resize((mask.width * scale, mask.height * scale), Image.Resampling.NEAREST)


def shorten(string: str, size: int, width: int) -> str:
    """Return the string, or its longest prefix that fits `width` pixels with an ellipsis."""
    string = string[:500]
    if _text_mask(string, size).width <= width:
        return string
    low, high = 0, len(string)
    while low < high:
        middle = (low + high + 1) // 2
        fits = _text_mask(string[:middle].rstrip() + "…", size).width <= width
        low, high = (middle, high) if fits else (low, middle - 1)
    return string[:low].rstrip() + "…"


def text(string: str, size: int, width: int | None = None, colour: Colour = INK) -> Image.Image:
    """Draw one line of text; with `width`, shorten it with an ellipsis to fit."""
    mask = _text_mask(string if width is None else shorten(string, size, width), size)
    picture = Image.new("RGB", mask.size, GROUND)
    picture.paste(colour, (0, 0), mask)
    return picture


def spread(left: Image.Image, right: Image.Image, width: int) -> Image.Image:
    """Place two pictures at the two ends of a line of this width."""
    line = Image.new("RGB", (width, max(left.height, right.height)), GROUND)
    line.paste(left, (0, line.height - left.height))
    line.paste(right, (width - right.width, line.height - right.height))
    return line


def above(pictures: Sequence[Image.Image], gap: int) -> Image.Image:
    """Stack the pictures in a column, left edges aligned."""
    column = Image.new(
        "RGB", (max(p.width for p in pictures), _total([p.height for p in pictures], gap)), GROUND
    )
    top = 0
    for picture in pictures:
        _put(column, picture, 0, top)
        top += picture.height + gap
    return column


def beside(pictures: Sequence[Image.Image], gap: int, align: Literal["top", "bottom"] = "top") -> Image.Image:
    """Place the pictures in a row."""
    row = Image.new(
        "RGB", (_total([p.width for p in pictures], gap), max(p.height for p in pictures)), GROUND
    )
    left = 0
    for picture in pictures:
        _put(row, picture, left, row.height - picture.height if align == "bottom" else 0)
        left += picture.width + gap
    return row


def framed(picture: Image.Image, margin: int) -> Image.Image:
    """Add an even margin to the picture."""
    frame = Image.new("RGB", (picture.width + 2 * margin, picture.height + 2 * margin), GROUND)
    _put(frame, picture, margin, margin)
    return frame


def grid(cells: Sequence[Image.Image], columns: int, gap: int) -> Image.Image:
    """Arrange cells of one size in rows of `columns` cells."""
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    return above([beside(row, gap) for row in rows], gap)


def colour_bar(name: str, height: int, labels: Sequence[str], size: int) -> Image.Image:
    """Draw a vertical colour bar, high end up, with evenly spaced labels (given from low to high)."""
    thickness = max(8, size)
    levels = np.linspace(255, 0, max(1, height)).round().astype(np.uint8)
    bar = Image.fromarray(np.repeat(colormap(name)[levels][:, None], thickness, axis=1))
    written = [text(label, size, colour=MUTED) for label in reversed(labels)]
    room = max(height, sum(label.height for label in written))
    side = Image.new("RGB", (max(label.width for label in written), room), GROUND)
    for number, label in enumerate(written):
        side.paste(label, (0, round((room - label.height) * number / (len(written) - 1))))
    return beside([bar, side], gap=max(4, size // 2))


def _put(onto: Image.Image, picture: Image.Image, left: int, top: int) -> None:
    onto.paste(picture, (left, top))
    carry(onto, picture, left, top)


def _total(lengths: Sequence[int], gap: int) -> int:
    return sum(lengths) + gap * (len(lengths) - 1)


def cell(label: str, note: str, picture: Image.Image) -> Image.Image:
    """Draw the picture under one line with its label, and a note at the right."""
    side = text(note, SMALL, colour=MUTED)
    name = text(label, LETTER, width=max(SMALL, picture.width - side.width - 6))
    return above([spread(name, side, picture.width), picture], gap=3)


def figure(body: Image.Image, left: str, right: str) -> Image.Image:
    """Draw the body under one line of text, with a margin."""
    title = heading(left, right, max(body.width, 320), (LETTER + 2, SMALL), GAP)
    return framed(above([title, body], GAP), margin=2 * GAP)


def heading(left: str, right: str, width: int, letters: tuple[int, int], gap: int) -> Image.Image:
    """Draw one line: the title `left`, and a smaller `right` in the remaining width or at least half."""
    subject = text(left, letters[0], width=width)
    place = text(right, letters[1], width=max(width // 2, width - subject.width - gap), colour=MUTED)
    return spread(text(left, letters[0], width=width - place.width - gap), place, width)


def fitting(image_size: tuple[int, int], side: int) -> tuple[int, int]:
    """Scale (height, width) so that the longer side is `side`; each side is at least 24."""
    scale = side / max(image_size)
    return max(24, round(image_size[0] * scale)), max(24, round(image_size[1] * scale))


def blank(width: int, height: int) -> Image.Image:
    """Return an area of the background colour."""
    return Image.new("RGB", (width, height), GROUND)
