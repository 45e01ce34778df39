"""What figures of several pictures are made of: a cell with its label, and a title over all cells."""

from __future__ import annotations

from PIL import Image

from vxa.drawing import GROUND, MUTED, above, framed, spread, text

__all__ = ["GAP", "LETTER", "SMALL", "blank", "cell", "figure", "fitting", "heading"]

LETTER, SMALL = 17, 14
GAP = 12


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
