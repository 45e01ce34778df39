"""The taxonomy: every noun with its family of look-alikes, its size, its colours and its outline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from . import outlines
from .shapes import Shape

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "red": (204, 51, 51),
    "orange": (236, 137, 40),
    "yellow": (244, 208, 63),
    "green": (74, 157, 91),
    "blue": (58, 107, 190),
    "purple": (127, 81, 166),
    "pink": (240, 148, 178),
    "brown": (133, 88, 55),
    "gray": (142, 146, 150),
    "white": (243, 240, 232),
    "black": (45, 42, 46),
}
PATTERNS = ("plain", "striped", "dotted")
ALL = tuple(COLOURS)
Place = Literal["floor", "air", "worn", "person", "part"]


@dataclass(frozen=True)
class Noun:
    """A kind of thing.

    `side` is the range, in pixels, of the side of a square with the area of its box. `aspect` is the box's
    width over its height. `top` is the position of the surface on which another thing can stand, as a
    fraction of the box's height from its top. `poses` are further outlines: (pose, aspect, outline)."""

    name: str
    family: str
    place: Place
    side: tuple[int, int]
    aspect: float
    shape: Shape = ()
    colours: tuple[str, ...] = ALL
    plural: str = ""
    top: float | None = None
    poses: tuple[tuple[str, float, Shape], ...] = ()
    holdable: bool = False
    patterned: bool = False

    @property
    def many(self) -> str:
        """Plural as captions write it."""
        return self.plural or self.name + "s"

    def in_pose(self, pose: str) -> tuple[float, Shape]:
        """Return aspect and outline in a pose; the default ones if the noun has no such pose."""
        return next(
            ((aspect, shape) for name, aspect, shape in self.poses if name == pose), (self.aspect, self.shape)
        )


HAIR = ("black", "brown", "yellow", "red", "gray", "pink", "purple")

_NOUNS = (
    Noun("girl", "person", "person", (170, 205), 0.8, colours=()),
    Noun("boy", "person", "person", (170, 205), 0.8, colours=()),
    Noun("hair", "person", "part", (60, 80), 1.0, colours=HAIR, plural="hair"),
    Noun("neck", "body", "part", (40, 50), 0.8, colours=()),
    Noun("hat", "headwear", "worn", (79, 116), 1.7, outlines.HAT, patterned=True),
    Noun("crown", "headwear", "worn", (73, 105), 1.6, outlines.CROWN),
    Noun("glasses", "clothes", "worn", (66, 96), 2.6, outlines.GLASSES, plural="glasses"),
    Noun("scarf", "clothes", "worn", (77, 105), 1.2, outlines.SCARF, plural="scarves", patterned=True),
    Noun("shirt", "clothes", "worn", (94, 132), 1.15, outlines.SHIRT, patterned=True),
    Noun(
        "cat",
        "pet",
        "floor",
        (86, 123),
        0.78,
        outlines.CAT_SITS,
        poses=(("stands", 1.25, outlines.CAT_STANDS),),
        patterned=True,
    ),
    Noun(
        "dog",
        "pet",
        "floor",
        (86, 123),
        0.78,
        outlines.DOG_SITS,
        poses=(("stands", 1.25, outlines.DOG_STANDS),),
        patterned=True,
    ),
    Noun("rabbit", "pet", "floor", (79, 110), 0.62, outlines.RABBIT),
    Noun("bird", "winged", "floor", (72, 103), 1.15, outlines.BIRD),
    Noun(
        "fish", "winged", "floor", (73, 105), 1.45, outlines.FISH, ALL, "fish", holdable=True, patterned=True
    ),
    Noun(
        "tree",
        "plant",
        "floor",
        (105, 148),
        0.72,
        outlines.TREE,
        ("green", "orange", "yellow", "pink", "purple"),
        poses=(("apple", 0.72, outlines.APPLE_TREE),),
    ),
    Noun("cactus", "plant", "floor", (86, 126), 0.68, outlines.CACTUS, plural="cacti"),
    Noun("flower", "plant", "floor", (66, 99), 0.66, outlines.FLOWER, holdable=True),
    Noun("car", "vehicle", "floor", (88, 127), 1.9, outlines.CAR),
    Noun("truck", "vehicle", "floor", (99, 132), 1.6, outlines.TRUCK),
    Noun("boat", "vehicle", "floor", (94, 127), 1.05, outlines.BOAT, patterned=True),
    Noun("house", "building", "floor", (95, 135), 1.0, outlines.HOUSE),
    Noun("castle", "building", "floor", (100, 140), 1.05, outlines.CASTLE),
    Noun("bed", "furniture", "floor", (115, 150), 2.0, outlines.BED, top=0.46, patterned=True),
    Noun("chair", "furniture", "floor", (94, 126), 0.66, outlines.CHAIR, top=0.55),
    Noun("table", "furniture", "floor", (110, 143), 1.7, outlines.TABLE, top=0.03),
    Noun("cup", "household", "floor", (62, 89), 1.05, outlines.CUP, holdable=True, patterned=True),
    Noun("ball", "round", "floor", (58, 86), 1.0, outlines.BALL, holdable=True, patterned=True),
    Noun("balloon", "round", "air", (72, 102), 0.6, outlines.BALLOON, holdable=True, patterned=True),
    Noun("sun", "sky", "air", (70, 101), 1.0, outlines.SUN, ("yellow", "orange", "red")),
    Noun("moon", "sky", "air", (65, 91), 0.72, outlines.MOON, ("white", "yellow", "gray")),
    Noun("star", "sky", "air", (55, 82), 1.0, outlines.STAR, ("yellow", "white", "red", "blue", "pink")),
    Noun("cloud", "sky", "air", (79, 119), 1.8, outlines.CLOUD, ("white", "gray", "pink", "blue")),
)
NOUNS: dict[str, Noun] = {noun.name: noun for noun in _NOUNS}

FAMILIES: dict[str, tuple[str, ...]] = {
    family: tuple(n.name for n in _NOUNS if n.family == family)
    for family in dict.fromkeys(n.family for n in _NOUNS)
}

BACKDROPS: dict[str, dict[str, Colour]] = {
    "sky": {"blue": (152, 200, 232), "orange": (247, 196, 140), "pink": (246, 200, 208)},
    "night": {"": (38, 44, 84)},
    "wall": {
        "yellow": (236, 220, 168),
        "pink": (228, 180, 180),
        "green": (172, 200, 170),
        "gray": (188, 188, 186),
    },
}
FLOORS: dict[str, dict[str, Colour]] = {
    "grass": {"green": (126, 176, 88)},
    "sand": {"yellow": (226, 198, 140)},
    "snow": {"white": (232, 238, 244)},
}
GROUNDS = (*BACKDROPS, *FLOORS)


def held_out(noun: str, colour: str) -> bool:
    """Return whether only `test` scenes may give this noun this colour (about one pair in nine)."""
    if len(NOUNS[noun].colours) < 5:
        return False
    return (list(NOUNS).index(noun) * 5 + ALL.index(colour) * 4) % 9 == 0
