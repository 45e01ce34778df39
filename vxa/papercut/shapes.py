"""The outline of every noun, as cuts of paper in a unit square (x right, y down).

A shape is a tuple of cuts, lowest first. A cut has a tone: the thing's own colour (`main`), a darker or
lighter sheet of it (`shade`, `light`), or a sheet whose colour never changes (`ink`, `wood`, ...).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Tone = Literal["main", "shade", "light", "ink", "paper", "wood", "leaf", "gold", "apple", "glass"]
Point = tuple[float, float]


@dataclass(frozen=True)
class Cut:
    """One sheet of paper: a closed outline in the unit square, and its tone."""

    outline: tuple[Point, ...]
    tone: Tone = "main"


Shape = tuple[Cut, ...]


def cut(*points: Point, tone: Tone = "main") -> Cut:
    """A cut with straight edges."""
    return Cut(points, tone)


def disc(
    x: float, y: float, rx: float, ry: float, tone: Tone = "main", start: float = 0, end: float = 360
) -> Cut:
    """An ellipse about (x, y), or the part of it between two angles in degrees (clockwise from the right)."""
    count = 40
    angles = [math.radians(start + (end - start) * i / count) for i in range(count + 1)]
    return Cut(tuple((x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles), tone)


def slab(x0: float, y0: float, x1: float, y1: float, tone: Tone = "main") -> Cut:
    """An upright rectangle."""
    return cut((x0, y0), (x1, y0), (x1, y1), (x0, y1), tone=tone)


def ring(x: float, y: float, rx: float, ry: float, width: float, start: float, end: float) -> Cut:
    """A bent strip: the part of an elliptic ring between two angles."""
    outer = disc(x, y, rx, ry, start=start, end=end).outline
    inner = disc(x, y, rx - width, ry - width, start=start, end=end).outline
    return Cut(outer + inner[::-1])


def star(x: float, y: float, r: float, points: int, inner: float, tone: Tone = "main") -> Cut:
    """A star whose inner corners lie at `inner` times its radius."""
    spokes = [(r if i % 2 == 0 else r * inner, math.pi * i / points - math.pi / 2) for i in range(2 * points)]
    return Cut(tuple((x + d * math.cos(a), y + d * math.sin(a)) for d, a in spokes), tone)


def eyes(x: float, y: float, gap: float, r: float) -> Shape:
    """Two ink dots."""
    return disc(x - gap, y, r, r * 1.2, "ink"), disc(x + gap, y, r, r * 1.2, "ink")


def legs(*lefts: float, top: float, width: float, tone: Tone = "main") -> Shape:
    """Upright strips from `top` to the ground."""
    return tuple(slab(x, top, x + width, 1.0, tone) for x in lefts)


def wheels(*centres: float, r: float = 0.14, squash: float = 1.7) -> Shape:
    """Ink wheels with paper hubs; `squash` is the shape's aspect, so that they come out round."""
    tyres = tuple(disc(x, 1 - r, r / squash * 1.2, r, "ink") for x in centres)
    return tyres + tuple(disc(x, 1 - r, r / squash * 0.5, r * 0.42, "paper") for x in centres)


def _animal_sitting(ears: Shape, muzzle: Shape) -> Shape:
    body = (
        disc(0.5, 0.74, 0.33, 0.27),
        slab(0.3, 0.8, 0.44, 1.0),
        slab(0.56, 0.8, 0.7, 1.0),
        disc(0.5, 0.78, 0.14, 0.17, "light"),
    )
    return body + ears + (disc(0.5, 0.33, 0.3, 0.22),) + muzzle + eyes(0.5, 0.3, 0.12, 0.035)


def _animal_standing(tail: Shape, ears: Shape, muzzle: Shape) -> Shape:
    body = (disc(0.42, 0.58, 0.34, 0.2), slab(0.12, 0.5, 0.7, 0.68))
    head = (disc(0.78, 0.32, 0.19, 0.21), *muzzle, *eyes(0.8, 0.28, 0.07, 0.026))
    return tail + legs(0.12, 0.24, 0.52, 0.64, top=0.6, width=0.09) + body + ears + head


CAT_SITS = (
    ring(0.8, 0.78, 0.2, 0.2, 0.08, -60, 130),
    *_animal_sitting(
        (
            cut((0.21, 0.3), (0.2, 0.0), (0.46, 0.15)),
            cut((0.79, 0.3), (0.8, 0.0), (0.54, 0.15)),
            cut((0.26, 0.22), (0.25, 0.08), (0.38, 0.16), tone="light"),
            cut((0.74, 0.22), (0.75, 0.08), (0.62, 0.16), tone="light"),
        ),
        (cut((0.46, 0.37), (0.54, 0.37), (0.5, 0.42), tone="ink"),),
    ),
)
CAT_STANDS = _animal_standing(
    (ring(0.1, 0.3, 0.13, 0.3, 0.07, 70, 250),),
    (cut((0.6, 0.28), (0.6, 0.0), (0.76, 0.14)), cut((0.96, 0.28), (0.96, 0.0), (0.8, 0.14))),
    (cut((0.79, 0.37), (0.85, 0.37), (0.82, 0.42), tone="ink"),),
)
DOG_SITS = (
    cut((0.76, 0.86), (1.0, 0.6), (0.94, 0.9)),
    *_animal_sitting(
        (),
        (
            disc(0.2, 0.36, 0.11, 0.24, "shade"),
            disc(0.8, 0.36, 0.11, 0.24, "shade"),
            disc(0.5, 0.43, 0.16, 0.12, "light"),
            disc(0.5, 0.38, 0.06, 0.04, "ink"),
        ),
    ),
)
DOG_STANDS = _animal_standing(
    (cut((0.1, 0.52), (0.0, 0.2), (0.08, 0.2), (0.2, 0.48)),),
    (),
    (
        disc(0.9, 0.4, 0.1, 0.1, "light"),
        disc(0.97, 0.36, 0.03, 0.04, "ink"),
        disc(0.63, 0.36, 0.07, 0.22, "shade"),
    ),
)
RABBIT = (
    disc(0.86, 0.86, 0.12, 0.09, "light"),
    disc(0.36, 0.2, 0.1, 0.21),
    disc(0.64, 0.2, 0.1, 0.21),
    disc(0.36, 0.2, 0.05, 0.15, "light"),
    disc(0.64, 0.2, 0.05, 0.15, "light"),
    disc(0.5, 0.79, 0.36, 0.21),
    disc(0.5, 0.48, 0.28, 0.19),
    disc(0.5, 0.55, 0.06, 0.035, "ink"),
    *eyes(0.5, 0.45, 0.12, 0.032),
)
BIRD = (
    cut((0.22, 0.5), (0.0, 0.28), (0.04, 0.62)),
    *legs(0.42, 0.54, top=0.7, width=0.04, tone="gold"),
    disc(0.46, 0.55, 0.32, 0.26),
    disc(0.76, 0.32, 0.17, 0.2),
    cut((0.9, 0.26), (1.0, 0.36), (0.9, 0.42), tone="gold"),
    disc(0.4, 0.54, 0.2, 0.13, "shade"),
    disc(0.8, 0.28, 0.03, 0.04, "ink"),
)
FISH = (
    cut((0.28, 0.5), (0.0, 0.14), (0.06, 0.5), (0.0, 0.86)),
    cut((0.42, 0.26), (0.6, 0.0), (0.76, 0.28), tone="shade"),
    disc(0.6, 0.54, 0.38, 0.36),
    disc(0.5, 0.6, 0.11, 0.12, "shade"),
    disc(0.82, 0.44, 0.05, 0.07, "paper"),
    disc(0.83, 0.44, 0.025, 0.04, "ink"),
)
TREE = (
    slab(0.42, 0.55, 0.58, 1.0, "wood"),
    disc(0.28, 0.48, 0.27, 0.2),
    disc(0.72, 0.48, 0.27, 0.2),
    disc(0.5, 0.26, 0.33, 0.26),
    disc(0.5, 0.46, 0.3, 0.2),
)
APPLE_TREE = TREE + tuple(
    disc(x, y, 0.075, 0.055, "apple")
    for x, y in ((0.36, 0.2), (0.62, 0.18), (0.24, 0.46), (0.5, 0.4), (0.76, 0.46))
)
CACTUS = (
    slab(0.37, 0.12, 0.63, 1.0),
    disc(0.5, 0.13, 0.13, 0.13),
    slab(0.06, 0.3, 0.24, 0.62),
    disc(0.15, 0.3, 0.09, 0.08),
    slab(0.06, 0.52, 0.45, 0.64),
    slab(0.76, 0.22, 0.94, 0.52),
    disc(0.85, 0.22, 0.09, 0.08),
    slab(0.55, 0.42, 0.94, 0.54),
    slab(0.46, 0.1, 0.5, 0.98, "shade"),
    disc(0.5, 0.05, 0.07, 0.05, "gold"),
)
FLOWER = (
    slab(0.46, 0.5, 0.54, 1.0, "leaf"),
    disc(0.3, 0.82, 0.17, 0.07, "leaf"),
    disc(0.7, 0.74, 0.17, 0.07, "leaf"),
    *(
        disc(0.5 + 0.25 * math.cos(a), 0.33 + 0.2 * math.sin(a), 0.19, 0.14)
        for a in (i * math.pi / 3 for i in range(6))
    ),
    disc(0.5, 0.33, 0.15, 0.11, "gold"),
)
CAR = (
    cut((0.2, 0.5), (0.32, 0.12), (0.7, 0.12), (0.84, 0.5)),
    cut((0.28, 0.46), (0.36, 0.2), (0.49, 0.2), (0.49, 0.46), tone="glass"),
    cut((0.54, 0.46), (0.54, 0.2), (0.66, 0.2), (0.75, 0.46), tone="glass"),
    slab(0.0, 0.46, 1.0, 0.84),
    slab(0.9, 0.54, 1.0, 0.64, "gold"),
    *wheels(0.23, 0.77, r=0.19, squash=1.9),
)
TRUCK = (
    slab(0.0, 0.04, 0.64, 0.8),
    slab(0.66, 0.28, 0.92, 0.8, "shade"),
    slab(0.9, 0.52, 1.0, 0.8, "shade"),
    slab(0.72, 0.36, 0.88, 0.54, "glass"),
    *wheels(0.16, 0.44, 0.82, r=0.16, squash=1.6),
)
BOAT = (
    slab(0.47, 0.02, 0.52, 0.7, "wood"),
    cut((0.54, 0.04), (0.94, 0.6), (0.54, 0.6), tone="paper"),
    cut((0.45, 0.14), (0.45, 0.6), (0.14, 0.6), tone="light"),
    cut((0.0, 0.66), (1.0, 0.66), (0.82, 1.0), (0.18, 1.0)),
)
HOUSE = (
    slab(0.72, 0.04, 0.84, 0.4, "wood"),
    slab(0.1, 0.42, 0.9, 1.0),
    cut((0.0, 0.46), (0.5, 0.0), (1.0, 0.46), tone="shade"),
    slab(0.42, 0.64, 0.6, 1.0, "wood"),
    slab(0.18, 0.56, 0.34, 0.74, "glass"),
    slab(0.68, 0.56, 0.84, 0.74, "glass"),
)
CASTLE = (
    slab(0.2, 0.36, 0.8, 1.0),
    slab(0.0, 0.2, 0.28, 1.0),
    slab(0.72, 0.2, 1.0, 1.0),
    *(slab(x, 0.1, x + 0.07, 0.22) for x in (0.0, 0.105, 0.21, 0.72, 0.825, 0.93)),
    *(slab(x, 0.28, x + 0.08, 0.38) for x in (0.32, 0.46, 0.6)),
    slab(0.39, 0.72, 0.61, 1.0, "ink"),
    disc(0.5, 0.72, 0.11, 0.12, "ink"),
    slab(0.1, 0.36, 0.18, 0.52, "ink"),
    slab(0.82, 0.36, 0.9, 0.52, "ink"),
)
BED = (
    slab(0.0, 0.0, 0.07, 1.0, "wood"),
    slab(0.93, 0.35, 1.0, 1.0, "wood"),
    slab(0.05, 0.66, 0.95, 0.86, "wood"),
    slab(0.05, 0.44, 0.95, 0.72),
    slab(0.05, 0.56, 0.95, 0.72, "shade"),
    disc(0.2, 0.4, 0.13, 0.13, "paper"),
)
CHAIR = (
    slab(0.08, 0.0, 0.24, 1.0),
    slab(0.08, 0.04, 0.5, 0.16),
    slab(0.08, 0.26, 0.5, 0.36),
    slab(0.4, 0.0, 0.5, 0.6),
    slab(0.08, 0.54, 0.96, 0.68),
    slab(0.8, 0.6, 0.94, 1.0),
    slab(0.3, 0.66, 0.4, 0.95, "shade"),
)
TABLE = (
    slab(0.0, 0.0, 1.0, 0.17),
    slab(0.08, 0.17, 0.17, 1.0, "shade"),
    slab(0.83, 0.17, 0.92, 1.0, "shade"),
)
CUP = (
    ring(0.74, 0.48, 0.26, 0.28, 0.1, -90, 90),
    cut((0.04, 0.06), (0.78, 0.06), (0.68, 1.0), (0.14, 1.0)),
    disc(0.41, 0.08, 0.37, 0.08, "light"),
    disc(0.41, 0.09, 0.29, 0.05, "wood"),
)
BALL = (
    disc(0.5, 0.5, 0.5, 0.5),
    disc(0.5, 0.5, 0.5, 0.5, "shade", 20, 160),
    disc(0.34, 0.3, 0.11, 0.09, "light"),
)
BALLOON = (
    cut((0.49, 0.66), (0.51, 0.66), (0.54, 0.84), (0.49, 1.0), (0.47, 1.0), (0.52, 0.84), tone="ink"),
    cut((0.5, 0.6), (0.6, 0.72), (0.4, 0.72), tone="shade"),
    disc(0.5, 0.33, 0.44, 0.33),
    disc(0.34, 0.2, 0.09, 0.09, "light"),
)
SUN = (star(0.5, 0.5, 0.5, 12, 0.7), disc(0.5, 0.5, 0.31, 0.31, "light"))
MOON = (
    Cut(
        disc(0.5, 0.5, 0.5, 0.5, start=-125, end=125).outline
        + disc(0.17, 0.5, 0.42, 0.42, start=78, end=-78).outline
    ),
)
STAR = (star(0.5, 0.54, 0.54, 5, 0.45),)
CLOUD = (
    disc(0.2, 0.66, 0.2, 0.3),
    disc(0.42, 0.4, 0.24, 0.4),
    disc(0.66, 0.48, 0.22, 0.4),
    disc(0.84, 0.7, 0.16, 0.26),
    slab(0.2, 0.62, 0.84, 0.96),
)
HAT = (
    cut((0.22, 0.66), (0.28, 0.1), (0.4, 0.0), (0.6, 0.0), (0.72, 0.1), (0.78, 0.66)),
    slab(0.225, 0.5, 0.775, 0.68, "shade"),
    disc(0.5, 0.82, 0.5, 0.18),
)
CROWN = (
    cut((0.04, 1.0), (0.0, 0.12), (0.25, 0.52), (0.5, 0.0), (0.75, 0.52), (1.0, 0.12), (0.96, 1.0)),
    slab(0.04, 0.8, 0.96, 1.0, "shade"),
    disc(0.5, 0.66, 0.06, 0.09, "paper"),
    disc(0.22, 0.7, 0.05, 0.075, "paper"),
    disc(0.78, 0.7, 0.05, 0.075, "paper"),
)
GLASSES = (
    slab(0.4, 0.36, 0.6, 0.5, "ink"),
    disc(0.24, 0.5, 0.24, 0.5),
    disc(0.76, 0.5, 0.24, 0.5),
    disc(0.18, 0.36, 0.07, 0.14, "light"),
    disc(0.7, 0.36, 0.07, 0.14, "light"),
)
SCARF = (
    cut((0.08, 0.1), (0.92, 0.1), (1.0, 0.3), (0.88, 0.46), (0.12, 0.46), (0.0, 0.3)),
    cut((0.6, 0.4), (0.82, 0.4), (0.86, 1.0), (0.62, 1.0)),
    slab(0.62, 0.88, 0.86, 0.94, "shade"),
    cut((0.1, 0.3), (0.9, 0.3), (0.88, 0.36), (0.12, 0.36), tone="shade"),
)
SHIRT = (
    cut(
        (0.24, 0.06),
        (0.36, 0.0),
        (0.64, 0.0),
        (0.76, 0.06),
        (1.0, 0.42),
        (0.86, 0.56),
        (0.78, 0.46),
        (0.78, 1.0),
        (0.22, 1.0),
        (0.22, 0.46),
        (0.14, 0.56),
        (0.0, 0.42),
    ),
    cut((0.38, 0.0), (0.62, 0.0), (0.5, 0.16), tone="shade"),
    *(disc(0.5, y, 0.02, 0.025, "paper") for y in (0.34, 0.56, 0.78)),
)
BUST = (
    cut((0.0, 1.0), (0.04, 0.4), (0.28, 0.06), (0.72, 0.06), (0.96, 0.4), (1.0, 1.0)),
    cut((0.34, 0.04), (0.66, 0.04), (0.5, 0.34), tone="shade"),
    disc(0.5, 0.52, 0.025, 0.05, "paper"),
    disc(0.5, 0.8, 0.025, 0.05, "paper"),
)
NECK = (slab(0.0, 0.0, 1.0, 1.0), disc(0.5, 0.06, 0.5, 0.16, "shade"))
FACE = (
    disc(0.02, 0.52, 0.09, 0.12),
    disc(0.98, 0.52, 0.09, 0.12),
    disc(0.5, 0.5, 0.46, 0.5),
    *eyes(0.5, 0.46, 0.17, 0.045),
    disc(0.5, 0.7, 0.13, 0.09, "apple", 0, 180),
    disc(0.22, 0.62, 0.07, 0.05, "light"),
    disc(0.78, 0.62, 0.07, 0.05, "light"),
)
ARM = (cut((0.0, 1.0), (0.3, 0.3), (0.7, 0.1), (0.9, 0.3), (0.5, 1.0)),)
HAND = (disc(0.5, 0.5, 0.5, 0.5),)
LONG_HAIR_BACK = (
    disc(0.5, 0.36, 0.5, 0.36),
    slab(0.0, 0.36, 1.0, 0.92),
    disc(0.2, 0.92, 0.2, 0.08),
    disc(0.8, 0.92, 0.2, 0.08),
)
SHORT_HAIR_BACK = (disc(0.5, 0.5, 0.5, 0.5),)
FRINGE = (disc(0.5, 1.0, 0.5, 1.0, "main", 180, 360),)
QUIFF = (
    disc(0.5, 1.0, 0.5, 0.9, "main", 180, 360),
    cut((0.1, 0.4), (0.2, 0.0), (0.4, 0.2), (0.6, -0.1), (0.7, 0.2), (0.95, 0.1), (0.9, 0.6)),
)
