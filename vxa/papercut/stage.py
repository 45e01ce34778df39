"""The stage of a scene: its things, their places and their paper, without captions."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from .drawing import SIZE, Canvas, Item, Style
from .nouns import BACKDROPS, COLOURS, FLOORS, NOUNS, Colour, held_out
from .shapes import Shape

Box = tuple[float, float, float, float]


@dataclass
class Prop:
    """A thing on the stage: its noun, look and box, and the numbers of its pixels.

    A person's numbers include those of the whole figure: hair, neck, shirt and accessories."""

    noun: str
    colour: str
    pattern: str
    box: Box
    numbers: set[int]
    pose: str = ""
    ground: bool = False
    skin: Colour = (0, 0, 0)

    @property
    def width(self) -> float:
        return self.box[2] - self.box[0]

    @property
    def centre(self) -> float:
        return (self.box[0] + self.box[2]) / 2


@dataclass
class Stage:
    """A scene during its layout. `props` are in the order in which they were put, grounds first."""

    rng: random.Random
    split: str
    style: Style
    props: list[Prop] = field(default_factory=list)
    horizon: float = 0
    last_number: int = 0

    def __post_init__(self) -> None:
        self.canvas = Canvas(self.style)

    def number(self) -> int:
        self.last_number += 1
        return self.last_number

    def look(self, noun: str) -> tuple[str, str]:
        """Choose a colour and a pattern that this split allows for the noun."""
        colours = NOUNS[noun].colours
        rare = [c for c in colours if held_out(noun, c)]
        usual = [c for c in colours if c not in rare]
        if self.split == "test" and rare and self.rng.random() < 0.5:
            usual = rare
        patterned = NOUNS[noun].patterned and self.rng.random() < 0.35
        return (self.rng.choice(usual) if usual else ""), (
            self.rng.choice(("striped", "dotted")) if patterned else "plain"
        )

    def size(self, noun: str, pose: str = "", scale: float = 1.0) -> tuple[float, float]:
        """Choose width and height, in pixels, of one thing."""
        side = self.rng.uniform(*NOUNS[noun].side) * scale
        aspect = NOUNS[noun].in_pose(pose)[0] * self.rng.uniform(0.92, 1.08)
        return side * math.sqrt(aspect), side / math.sqrt(aspect)

    def put(
        self,
        noun: str,
        box: Box,
        look: tuple[str, str] | None = None,
        pose: str = "",
        shape: Shape | None = None,
    ) -> Prop:
        """Draw one thing in a box, and return its prop."""
        colour, pattern = look or self.look(noun)
        prop = Prop(noun, colour, pattern, box, {self.number()}, pose)
        self.draw(
            prop.numbers, shape or NOUNS[noun].in_pose(pose)[1], box, COLOURS.get(colour, (0, 0, 0)), pattern
        )
        self.props.append(prop)
        return prop

    def draw(self, numbers: set[int], shape: Shape, box: Box, colour: Colour, pattern: str = "plain") -> None:
        """Draw a shape whose pixels belong to the highest of these numbers, mirrored half of the time."""
        flip = self.rng.random() < 0.5
        self.canvas.lay(Item(max(numbers), shape, box, colour, pattern, flip))

    def lay_grounds(self) -> None:
        """Cover the picture with a backdrop and, three times in four, its lower part with a floor."""
        rng = self.rng
        backdrop = rng.choice(("sky", "sky", "night", "wall"))
        self._ground(backdrop, rng.choice(tuple(BACKDROPS[backdrop])), 0)
        self.horizon = rng.uniform(120, 185)
        if rng.random() < 0.75:
            floor = rng.choice(tuple(FLOORS))
            self._ground(floor, rng.choice(tuple(FLOORS[floor])), self.horizon)

    def _ground(self, noun: str, colour: str, top: float) -> None:
        sheet = (BACKDROPS | FLOORS)[noun][colour]
        prop = Prop(noun, colour, "plain", (0, top, SIZE, SIZE), {self.number()}, ground=True)
        self.canvas.fill(max(prop.numbers), sheet, top, _texture(noun, sheet, top, self.rng))
        self.props.append(prop)

    def row(self, nouns: list[tuple[str, str]], scale: float = 1.0) -> list[Box]:
        """Choose boxes for things (noun, pose) side by side on the floor, from left to right."""
        sizes = [self.size(noun, pose, scale) for noun, pose in nouns]
        room = SIZE - 12
        shrink = min(1.0, room / (sum(w for w, _ in sizes) * 1.04))
        gaps = [self.rng.random() + 0.2 for _ in range(len(sizes) + 1)]
        slack = room - shrink * sum(w for w, _ in sizes)
        left, boxes = 6.0, []
        for (w, h), gap in zip(sizes, gaps, strict=False):
            left += slack * gap / sum(gaps)
            bottom = self.rng.uniform(max(self.horizon + 6, h * shrink + 4), SIZE - 6)
            boxes.append((left, bottom - h * shrink, left + w * shrink, bottom))
            left += w * shrink
        return boxes

    def over(
        self, noun: str, below: Box, pose: str = "", gap: tuple[float, float] = (4, 30), scale: float = 1.0
    ) -> Box:
        """Choose a box in the air above another one, within the picture."""
        w, h = self.size(noun, pose, scale)
        bottom = max(below[1] - self.rng.uniform(*gap), 8.0)
        shrink = min(1.0, (bottom - 4) / h)
        w, h = w * max(shrink, 0.55), h * max(shrink, 0.55)
        left = min(max((below[0] + below[2]) / 2 - w / 2 + self.rng.uniform(-8, 8), 4), SIZE - 4 - w)
        return left, bottom - h, left + w, bottom

    def air(self, noun: str) -> Box:
        """Choose a box in the upper part of the picture: of twelve places, the one with the least overlap."""
        w, h = self.size(noun)
        places = [
            (self.rng.uniform(4, SIZE - 4 - w), self.rng.uniform(4, max(6.0, 96 - h))) for _ in range(12)
        ]
        others = [p.box for p in self.props if not p.ground]
        x, y = min(
            places, key=lambda t: sum(_overlap((t[0], t[1], t[0] + w, t[1] + h), box) for box in others)
        )
        return x, y, x + w, y + h


def _overlap(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _texture(noun: str, sheet: Colour, top: float, rng: random.Random) -> list[tuple[Box, Colour]]:
    """Return the small marks of a ground's texture: blades, grains, flakes, bricks, stars."""
    darker: Colour = tuple(round(c * 0.88) for c in sheet)  # type: ignore[assignment]
    lighter: Colour = tuple(round(c + (255 - c) * 0.4) for c in sheet)  # type: ignore[assignment]
    if noun == "wall":
        rows: list[tuple[Box, Colour]] = [((0, y, 256, y + 1.5), darker) for y in range(0, 256, 26)]
        return rows + [
            ((x + (y // 26) % 2 * 26, y, x + (y // 26) % 2 * 26 + 1.5, y + 26), darker)
            for y in range(0, 256, 26)
            for x in range(-26, 256, 52)
        ]
    count, w, h, tone = {
        "grass": (70, 2, 7, darker),
        "sand": (90, 2.2, 2.2, darker),
        "snow": (40, 5, 3, lighter),
        "night": (26, 2, 2, lighter),
        "sky": (0, 0, 0, lighter),
    }[noun]
    spots = [(rng.uniform(0, SIZE), rng.uniform(top + 2, SIZE)) for _ in range(count)]
    return [((x, y, x + w, y + h), tone) for x, y in spots]
