"""Cuts of paper in a unit square (x right, y down), and functions that make them.

A shape is a tuple of cuts, lowest first. The tone of a cut is the thing's own colour (`main`), a darker or
lighter variant of it (`shade`, `light`), or a fixed colour (`ink`, `wood`, ...).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Tone = Literal["main", "shade", "light", "ink", "paper", "wood", "leaf", "gold", "apple", "glass"]
Point = tuple[float, float]


@dataclass(frozen=True)
class Cut:
    """A sheet of paper: a closed outline in the unit square, and its tone."""

    outline: tuple[Point, ...]
    tone: Tone = "main"


Shape = tuple[Cut, ...]


def cut(*points: Point, tone: Tone = "main") -> Cut:
    """Make a cut with straight edges."""
    return Cut(points, tone)


def disc(
    x: float, y: float, rx: float, ry: float, tone: Tone = "main", start: float = 0, end: float = 360
) -> Cut:
    """Make an ellipse at (x, y), or its part between two angles in degrees, clockwise from the right."""
    count = 40
    angles = [math.radians(start + (end - start) * i / count) for i in range(count + 1)]
    return Cut(tuple((x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles), tone)


def slab(x0: float, y0: float, x1: float, y1: float, tone: Tone = "main") -> Cut:
    """Make an upright rectangle."""
    return cut((x0, y0), (x1, y0), (x1, y1), (x0, y1), tone=tone)


def ring(x: float, y: float, rx: float, ry: float, width: float, start: float, end: float) -> Cut:
    """Make a bent strip: the part of an elliptic ring between two angles."""
    outer = disc(x, y, rx, ry, start=start, end=end).outline
    inner = disc(x, y, rx - width, ry - width, start=start, end=end).outline
    return Cut(outer + inner[::-1])


def star(x: float, y: float, r: float, points: int, inner: float, tone: Tone = "main") -> Cut:
    """Make a star whose inner corners lie at `inner` times its radius."""
    spokes = [(r if i % 2 == 0 else r * inner, math.pi * i / points - math.pi / 2) for i in range(2 * points)]
    return Cut(tuple((x + d * math.cos(a), y + d * math.sin(a)) for d, a in spokes), tone)


def eyes(x: float, y: float, gap: float, r: float) -> Shape:
    """Make two ink dots."""
    return disc(x - gap, y, r, r * 1.2, "ink"), disc(x + gap, y, r, r * 1.2, "ink")


def legs(*lefts: float, top: float, width: float, tone: Tone = "main") -> Shape:
    """Make upright strips from `top` to the lower edge of the square."""
    return tuple(slab(x, top, x + width, 1.0, tone) for x in lefts)


def wheels(*centres: float, r: float = 0.14, squash: float = 1.7) -> Shape:
    """Make ink wheels with paper hubs; `squash` is the aspect of the shape, so that they are round."""
    tyres = tuple(disc(x, 1 - r, r / squash * 1.2, r, "ink") for x in centres)
    return tyres + tuple(disc(x, 1 - r, r / squash * 0.5, r * 0.42, "paper") for x in centres)
