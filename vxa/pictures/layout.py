"""Small pictures put together into larger ones: text, rows, columns, grids, colour bars.

Every function takes pictures and gives a new picture on the same white ground, so that a figure is
written the way it is read.
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
    "fitted",
    "fitting",
    "framed",
    "grid",
    "heading",
    "spread",
    "text",
]

Colour = tuple[int, int, int]
GROUND: Colour = (255, 255, 255)
INK: Colour = (31, 36, 48)
MUTED: Colour = (112, 119, 132)

LETTER, SMALL = 17, 14  # pixels a line of a cell is high
GAP = 12

_BITMAP_FONT_HEIGHT = 11
_SYSTEM_FONTS = ("DejaVuSans.ttf", "arial.ttf", "Arial.ttf")  # of Linux, Windows and macOS


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own scalable font; before 10.1 it has none: a usual one of the system, or else a bitmap."""
    try:
        return ImageFont.load_default(size)
    except TypeError:
        for name in _SYSTEM_FONTS:
            with contextlib.suppress(OSError, ImportError):  # no such font; no FreeType
                return ImageFont.truetype(name, size)
        return ImageFont.load_default()


@lru_cache(maxsize=1024)
def _text_mask(string: str, size: int) -> Image.Image:
    """The string as an L mask of one line's full height, so that baselines agree; never empty."""
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


def fitted(string: str, size: int, width: int) -> str:
    """The string, or its longest beginning that fits `width` pixels with an ellipsis."""
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
    """One line of text; with `width`, cut to it with an ellipsis."""
    mask = _text_mask(string if width is None else fitted(string, size, width), size)
    picture = Image.new("RGB", mask.size, GROUND)
    picture.paste(colour, (0, 0), mask)
    return picture


def spread(left: Image.Image, right: Image.Image, width: int) -> Image.Image:
    """One line of the given width, its two pictures at the two ends."""
    line = Image.new("RGB", (width, max(left.height, right.height)), GROUND)
    line.paste(left, (0, line.height - left.height))
    line.paste(right, (width - right.width, line.height - right.height))
    return line


def above(pictures: Sequence[Image.Image], gap: int) -> Image.Image:
    """The pictures in a column, left edges aligned."""
    column = Image.new(
        "RGB", (max(p.width for p in pictures), _total([p.height for p in pictures], gap)), GROUND
    )
    top = 0
    for picture in pictures:
        _put(column, picture, 0, top)
        top += picture.height + gap
    return column


def beside(pictures: Sequence[Image.Image], gap: int, align: Literal["top", "bottom"] = "top") -> Image.Image:
    """The pictures in a row."""
    row = Image.new(
        "RGB", (_total([p.width for p in pictures], gap), max(p.height for p in pictures)), GROUND
    )
    left = 0
    for picture in pictures:
        _put(row, picture, left, row.height - picture.height if align == "bottom" else 0)
        left += picture.width + gap
    return row


def framed(picture: Image.Image, margin: int) -> Image.Image:
    """The picture with an even margin."""
    frame = Image.new("RGB", (picture.width + 2 * margin, picture.height + 2 * margin), GROUND)
    _put(frame, picture, margin, margin)
    return frame


def grid(cells: Sequence[Image.Image], columns: int, gap: int) -> Image.Image:
    """Cells of one size in rows of `columns`."""
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    return above([beside(row, gap) for row in rows], gap)


def colour_bar(name: str, height: int, labels: Sequence[str], size: int) -> Image.Image:
    """A vertical bar of the colour map, high end up, with labels from low to high evenly along it."""
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
    """The picture under one line: its label, and a note at the right."""
    side = text(note, SMALL, colour=MUTED)
    name = text(label, LETTER, width=max(SMALL, picture.width - side.width - 6))
    return above([spread(name, side, picture.width), picture], gap=3)


def figure(body: Image.Image, left: str, right: str) -> Image.Image:
    """All that is drawn, under one line of text, in a margin."""
    title = heading(left, right, max(body.width, 320), (LETTER + 2, SMALL), GAP)
    return framed(above([title, body], GAP), margin=2 * GAP)


def heading(left: str, right: str, width: int, letters: tuple[int, int], gap: int) -> Image.Image:
    """One line: what a picture is of, and smaller, in what that leaves or half of it, where it was read."""
    subject = text(left, letters[0], width=width)
    place = text(right, letters[1], width=max(width // 2, width - subject.width - gap), colour=MUTED)
    return spread(text(left, letters[0], width=width - place.width - gap), place, width)


def fitting(image_size: tuple[int, int], side: int) -> tuple[int, int]:
    """The (height, width) scaled to `side` on the longer one, and at least 24 on the other."""
    scale = side / max(image_size)
    return max(24, round(image_size[0] * scale)), max(24, round(image_size[1] * scale))


def blank(width: int, height: int) -> Image.Image:
    """A piece of the ground."""
    return Image.new("RGB", (width, height), GROUND)
