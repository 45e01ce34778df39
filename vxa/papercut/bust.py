"""People on the stage: a bust at the lower edge, drawn part by part, and the thing in its hand."""

from __future__ import annotations

from dataclasses import dataclass

from . import outlines
from .drawing import SIZE, SKINS, Item
from .nouns import COLOURS
from .shapes import cut
from .stage import Box, Prop, Stage

Look = tuple[str, str]
Parts = dict[str, Prop]
HAIR = {
    "girl": (outlines.LONG_HAIR_BACK, (0.1, 0.74, 0.62), outlines.FRINGE),
    "boy": (outlines.SHORT_HAIR_BACK, (0.1, 0.66, 0.36), outlines.QUIFF),
}
OVER_THE_FACE = {"glasses": (0.29, 0.54, 0.145), "hat": (-0.13, 0.84, 0.34), "crown": (-0.1, 0.6, 0.26)}


@dataclass(frozen=True)
class Frame:
    """Frame of a bust, in pixels. Parts are placed by fractions of its width and height."""

    centre: float
    top: float
    width: float
    height: float

    def box(self, top: float, width: float, height: float) -> Box:
        """Return the box of a part, centred; top, width and height are fractions of the frame."""
        half = width * self.width / 2
        upper = self.top + top * self.height
        return self.centre - half, upper, self.centre + half, upper + height * self.height


def put_person(stage: Stage, noun: str, centre: float, scale: float, accessories: dict[str, Look]) -> Parts:
    """Draw a person and return its props by noun, the person first.

    The person's numbers include those of all its parts."""
    height = 212 * scale
    frame = Frame(centre, SIZE - height + stage.rng.uniform(0, 6), 150 * scale, height)
    skin, hair = stage.rng.choice(SKINS), stage.look("hair")
    figure = Prop(noun, "", "plain", frame.box(0, 1, 1), {stage.number()}, skin=skin)
    stage.props.append(figure)
    parts = {noun: figure, **_put_body(stage, frame, noun, hair, skin, accessories)}
    stage.draw({max(figure.numbers)}, outlines.FACE, frame.box(0.16, 0.54, 0.43), skin)
    stage.draw(parts["hair"].numbers, HAIR[noun][2], frame.box(0.11, 0.55, 0.13), COLOURS[hair[0]])
    for name, place in OVER_THE_FACE.items():
        if name in accessories:
            parts[name] = stage.put(name, frame.box(*place), accessories[name])
    figure.numbers |= {number for part in parts.values() for number in part.numbers}
    return parts


def _put_body(
    stage: Stage,
    frame: Frame,
    noun: str,
    hair: Look,
    skin: tuple[int, int, int],
    accessories: dict[str, Look],
) -> Parts:
    """Draw the parts behind the face: hair, shirt, neck and, if there is one, the scarf."""
    shape, place, _ = HAIR[noun]
    parts = {"hair": stage.put("hair", frame.box(*place), hair, shape=shape)}
    parts["shirt"] = stage.put("shirt", frame.box(0.7, 1, 0.34), shape=outlines.BUST)
    parts["neck"] = Prop("neck", "", "plain", frame.box(0.54, 0.27, 0.23), {stage.number()})
    stage.draw(parts["neck"].numbers, outlines.NECK, parts["neck"].box, skin)
    stage.props.append(parts["neck"])
    if "scarf" in accessories:
        parts["scarf"] = stage.put("scarf", frame.box(0.655, 0.56, 0.3), accessories["scarf"])
    return parts


def put_in_hand(stage: Stage, parts: Parts, noun: str, side: int) -> Prop:
    """Draw a thing in a hand stretched out to one side (−1 left, 1 right); return its prop."""
    person = next(iter(parts.values()))
    w, h = stage.size(noun)
    x = person.centre + side * person.width * 0.76
    x = min(max(x, w / 2 + 3), SIZE - w / 2 - 3)
    y = stage.rng.uniform(168, 196)
    _stretch_arm(stage, parts["shirt"], person.centre + side * person.width * 0.34, x, y)
    top = y - h * (0.98 if noun in ("balloon", "flower") else 0.8)
    prop = stage.put(noun, (x - w / 2, top, x + w / 2, top + h))
    stage.draw({min(person.numbers)}, outlines.HAND, (x - 9, y - 7, x + 9, y + 11), person.skin)
    return prop


def _stretch_arm(stage: Stage, shirt: Prop, shoulder: float, hand: float, y: float) -> None:
    sleeve = cut((0, 0.55), (0, 1), (1, 0.45), (1, 0.0))
    box = (min(hand, shoulder), y - 8, max(hand, shoulder), y + 50)
    colour = COLOURS[shirt.colour]
    stage.canvas.lay(Item(max(shirt.numbers), (sleeve,), box, colour, shirt.pattern, flip=hand < shoulder))
