"""Captions of a part of a scene: of what a window shows, and of some of its things."""

from __future__ import annotations

import random

from torch import Tensor

from vxa.papercut.nouns import FLOORS
from vxa.papercut.parse import Node, read_off
from vxa.papercut.phrases import MASS, adjectives_of, article, coordinate, enumeration
from vxa.papercut.scene import Scene

Thing = tuple[str, str, str]
"""Noun, colour and pattern."""

SHARES = (0.68, 0.10, 0.12, 0.10)
"""Chance of each of a scene's `caption_variants` to be read in a step on a stream."""


def caption_variants(sample: Scene, rng: random.Random) -> list[str]:
    """Return four captions of a scene.

    They are its own, one of one thing, one of two, and one of one, two, three or all things by chance. The
    world's own captions never name hair or neck without a person; a prompt may."""
    things = [(thing.noun, thing.colour, thing.pattern) for thing in sample.things]
    counts = (1, 2, rng.choice((1, 2, 3, len(things))))
    return [sample.caption, *(partial_caption(things, count, rng) for count in counts)]


def partial_caption(things: list[Thing], count: int, rng: random.Random) -> str:
    """Describe up to `count` of a scene's things, chosen by chance."""
    subset = rng.sample(things, min(len(things), count))
    return _listing([_phrase(*thing, _is_ground(thing[0]), rng) for thing in subset], rng)


def crop_caption(things: list[Thing], cover: Tensor, rng: random.Random) -> str:
    """Describe the things in a window.

    `cover` [things, 2] holds, per thing, the share of it inside the window and the share of the window that
    it fills. A thing is named if at least half of it is inside or it fills 0.35 of the window; a ground, with
    chance 0.6, if it fills 0.15. Nothing that fills less than 0.015 is named."""
    nodes = []
    for (noun, colour, pattern), (inside, fills) in zip(things, cover.tolist(), strict=True):
        ground = _is_ground(noun)
        if (
            fills < 0.015
            or (ground and (fills < 0.15 or rng.random() < 0.4))
            or (not ground and inside < 0.5 and fills < 0.35)
        ):
            continue
        nodes.append(_phrase(noun, colour, pattern, ground, rng))
    return _listing(nodes, rng)


def _is_ground(noun: str) -> bool:
    return noun in ("sky", "night", "wall", *FLOORS)


def _listing(nodes: list[Node], rng: random.Random) -> str:
    """Join the phrases in random order, as a comma list or with articles and "and"."""
    if not nodes:
        return ""
    rng.shuffle(nodes)
    if rng.random() < 0.5:
        return read_off(enumeration(nodes)).caption
    for node in nodes:
        if node.form not in MASS:
            node.before.insert(0, article("a", [*(n.form for n in node.before), node.form][0]))
    return read_off(coordinate(nodes, commas=rng.random() < 0.7)).caption


def _phrase(noun: str, colour: str, pattern: str, ground: bool, rng: random.Random) -> Node:
    words = adjectives_of(noun, colour, pattern, ground, rng)
    return Node(noun, "NOUN", before=[Node(word, "ADJ", "amod") for word in words])
