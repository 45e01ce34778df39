"""Pictures of cut paper, with the exact pixels of every sheet.

Everything is drawn at three times the size and averaged down, for smooth edges. A second canvas holds the
number of the topmost thing at every pixel; the masks are read from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from .nouns import Colour
from .shapes import Shape

SIZE = 256
OVERSAMPLE = 3

FIXED: dict[str, Colour] = {
    "ink": (48, 44, 48),
    "paper": (246, 243, 236),
    "wood": (140, 96, 62),
    "leaf": (84, 150, 76),
    "gold": (240, 184, 60),
    "apple": (206, 56, 56),
    "glass": (196, 224, 236),
}
SKINS: tuple[Colour, ...] = ((246, 214, 188), (228, 182, 146), (190, 136, 100), (134, 90, 66))


@dataclass(frozen=True)
class Style:
    """Rendering settings of a scene, which captions never mention.

    Paper grain (σ, of 1), palette brightness, outline width and shadow offset in pixels, shadow darkness (of
    1)."""

    grain: float
    brightness: float
    outline: float
    shadow: float
    darkness: float


@dataclass(frozen=True)
class Item:
    """A shape to draw, in a box (left, top, right, bottom, in pixels), with its colour and pattern.

    `number` is that of the thing to which its pixels belong."""

    number: int
    shape: Shape
    box: tuple[float, float, float, float]
    colour: Colour
    pattern: str = "plain"
    flip: bool = False


def shade(colour: Colour, factor: float) -> Colour:
    """Return the colour darkened (factor up to 1) or moved towards white (above 1)."""
    if factor <= 1:
        return tuple(round(c * factor) for c in colour)  # type: ignore[return-value]
    return tuple(round(c + (255 - c) * (factor - 1)) for c in colour)  # type: ignore[return-value]


def tones_of(colour: Colour) -> dict[str, Colour]:
    """Return the colour of each tone of a thing's sheets: those of its own colour, and the fixed ones."""
    return {"main": colour, "shade": shade(colour, 0.72), "light": shade(colour, 1.45), **FIXED}


def contrast(colour: Colour) -> Colour:
    """Return the colour of a pattern's marks: near white on dark sheets, a deep shade on light ones."""
    luminance = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]
    return shade(colour, 1.72) if luminance < 150 else shade(colour, 0.62)


class Canvas:
    """A picture built up sheet by sheet.

    `numbers` holds the number of the topmost thing for every oversampled pixel."""

    def __init__(self, style: Style) -> None:
        side = SIZE * OVERSAMPLE
        self.style = style
        self.colours = Image.new("RGB", (side, side))
        self.numbers = Image.new("L", (side, side))

    def tint(self, colour: Colour) -> Colour:
        """Return the colour at the brightness of the scene."""
        return tuple(min(255, round(c * self.style.brightness)) for c in colour)  # type: ignore[return-value]

    def fill(
        self, number: int, colour: Colour, top: float, marks: Iterable[tuple[Sequence[float], Colour]] = ()
    ) -> None:
        """Cover everything below `top` with a ground; `marks` are the small boxes of its texture."""
        box = (0, round(top * OVERSAMPLE), SIZE * OVERSAMPLE, SIZE * OVERSAMPLE)
        pen = ImageDraw.Draw(self.colours)
        pen.rectangle(box, fill=self.tint(colour))
        for mark, tone in marks:
            pen.rectangle([v * OVERSAMPLE for v in mark], fill=self.tint(tone))
        ImageDraw.Draw(self.numbers).rectangle(box, fill=number)

    def lay(self, item: Item) -> None:
        """Put one thing on top, with its shadow and outline."""
        outlines = [(self._place(cut.outline, item), cut.tone) for cut in item.shape]
        silhouette = Image.new("L", self.colours.size)
        pen = ImageDraw.Draw(silhouette)
        for points, _ in outlines:
            pen.polygon(points, fill=255)
        self._cast_shadow(silhouette)
        self._paint(item, outlines)
        self.numbers.paste(item.number, mask=silhouette)

    def _place(self, outline: Sequence[tuple[float, float]], item: Item) -> list[tuple[float, float]]:
        left, top, right, bottom = (v * OVERSAMPLE for v in item.box)
        sign, start = (-1, right) if item.flip else (1, left)
        return [(start + sign * x * (right - left), top + y * (bottom - top)) for x, y in outline]

    def _cast_shadow(self, silhouette: Image.Image) -> None:
        shift = round(self.style.shadow * OVERSAMPLE)
        if not shift:
            return
        darkness = silhouette.point([round(v * self.style.darkness) for v in range(256)])
        shifted = Image.new("L", silhouette.size)
        shifted.paste(darkness, (shift, shift))
        self.colours.paste((20, 18, 26), mask=shifted)

    def _paint(self, item: Item, outlines: Sequence[tuple[list[tuple[float, float]], str]]) -> None:
        sheets = tones_of(item.colour)
        pen = ImageDraw.Draw(self.colours)
        width = round(self.style.outline * OVERSAMPLE)
        for points, tone in outlines:
            if width and tone == "main":
                pen.line([*points, points[0]], fill=self.tint(shade(item.colour, 0.5)), width=2 * width)
        for points, tone in outlines:
            pen.polygon(points, fill=self.tint(sheets[tone]))
            if tone == "main" and item.pattern != "plain":
                self._print_pattern(item, points)

    def _print_pattern(self, item: Item, points: list[tuple[float, float]]) -> None:
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        left, top = int(min(xs)), int(min(ys))
        size = int(max(xs)) - left + 1, int(max(ys)) - top + 1
        inside, marks = Image.new("L", size), Image.new("L", size)
        ImageDraw.Draw(inside).polygon([(x - left, y - top) for x, y in points], fill=255)
        _MARKS[item.pattern](ImageDraw.Draw(marks), size, left, top)
        self.colours.paste(self.tint(contrast(item.colour)), (left, top), ImageChops.darker(inside, marks))

    def picture(self, grain_seed: int) -> Image.Image:
        """Return the finished picture, averaged down, with the paper's grain."""
        pixels = np.asarray(self.colours.reduce(OVERSAMPLE), dtype=np.float32)
        # RandomState's stream never changes between numpy releases; Generator's may.
        grain = np.random.RandomState(grain_seed).standard_normal((SIZE, SIZE, 1)).astype(np.float32)
        return Image.fromarray(
            (pixels + 255 * self.style.grain * grain).round().clip(0, 255).astype(np.uint8)
        )

    def coverage(self, numbers: Iterable[int]) -> np.ndarray:
        """Return bool [256, 256]: the pixels of which these things show in at least half."""
        fine = np.isin(np.asarray(self.numbers), list(numbers))
        blocks = fine.reshape(SIZE, OVERSAMPLE, SIZE, OVERSAMPLE).mean(axis=(1, 3))
        return np.asarray(blocks >= 0.5)


def _stripes(pen: ImageDraw.ImageDraw, size: tuple[int, int], left: int, top: int) -> None:
    period = 11 * OVERSAMPLE
    for y in range(-(top % period), size[1], period):
        pen.rectangle((0, y, size[0], y + period * 0.42), fill=255)


def _dots(pen: ImageDraw.ImageDraw, size: tuple[int, int], left: int, top: int) -> None:
    period, r = 12 * OVERSAMPLE, 3.2 * OVERSAMPLE
    for row, y in enumerate(range(-(top % period), size[1] + period, period)):
        for x in range(
            -(left % period) + (row + top // period) % 2 * period // 2 - period, size[0] + period, period
        ):
            pen.ellipse((x - r, y - r, x + r, y + r), fill=255)


_MARKS = {"striped": _stripes, "dotted": _dots}
