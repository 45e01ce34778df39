"""Captioned scenes of paper cut-outs, deterministic by seed, with the exact mask of every thing."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property
from itertools import count as naturals
from typing import Literal

import numpy as np
from PIL import Image

from vxa.errors import SettingError

from .compose import compose
from .drawing import Style
from .parse import Node, Parse, read_off
from .stage import Prop, Stage

SPLITS = ("train", "dev", "test")
Split = Literal["train", "dev", "test"]
SMALLEST = 200
"""Fewest visible pixels of a named thing; a scene with fewer is laid out again."""


@dataclass(frozen=True)
class Thing:
    """One thing of a scene.

    `span` is the character range of its noun phrase in the caption, None if the caption does not name it.
    `adjectives` are those of the caption. `box` is (left, top, right, bottom) around the visible pixels,
    `mask` is bool [256, 256]. A person's mask is the whole figure with everything it wears."""

    noun: str
    adjectives: tuple[str, ...]
    span: tuple[int, int] | None
    box: tuple[int, int, int, int]
    mask: np.ndarray
    colour: str
    pattern: str


@dataclass(frozen=True)
class Scene:
    """A picture with its caption, its parse and an exact mask of everything that the caption names."""

    seed: int
    split: str
    image: Image.Image
    caption: str
    objects: tuple[Thing, ...]
    grounds: tuple[Thing, ...]
    parse: Parse
    style: Style
    labels: np.ndarray
    """uint8 [256, 256]: the index in `things` of the topmost sheet of paper."""

    @property
    def things(self) -> tuple[Thing, ...]:
        """Grounds, then objects: the things that `Row.things` indexes."""
        return self.grounds + self.objects

    @cached_property
    def masks(self) -> dict[str, np.ndarray]:
        """Mask of each noun as the caption writes it, grounds included: the union of all its things."""
        masks: dict[str, np.ndarray] = {}
        for row in self.parse.rows:
            if row.upos == "NOUN" and row.things:
                masks[row.form] = masks.get(row.form, False) | self.word_mask(row.id)
        return masks

    def word_mask(self, row_id: int) -> np.ndarray:
        """Return the mask of the things that the word of that row refers to, bool [256, 256].

        An adjective's mask is its noun's, a verb's the union of subject and object. It is empty for words
        that refer to nothing visible."""
        things = self.parse.rows[row_id - 1].things
        return (
            np.any([self.things[i].mask for i in things], axis=0)
            if things
            else np.zeros(self.labels.shape, bool)
        )


def scene(seed: int, split: str = "test") -> Scene:
    """Draw the scene of a seed; `split` is "train", "dev" or "test".

    Only `test` scenes show the held-out pairs of colour and noun. Raises SettingError for any other split or
    a seed that is no integer."""
    if split not in SPLITS:
        raise SettingError(f"there is no split {split!r}; choose one of {', '.join(SPLITS)}")
    if not isinstance(seed, int):
        raise SettingError(f"seed {seed!r} is not allowed; give a whole number")
    for attempt in naturals():
        # Seeding by text hashes it with SHA-512: the same stream on every platform and Python.
        result = _attempt(seed, split, random.Random(f"papercut 1:{split}:{seed}:{attempt}"))
        if result is not None:
            return result
    raise AssertionError


def _attempt(seed: int, split: str, rng: random.Random) -> Scene | None:
    stage = Stage(rng, split, _style(rng))
    root = compose(stage)
    named = {t for node in root.walk() for t in node.things}
    covers = [stage.canvas.coverage(prop.numbers) for prop in stage.props]
    if any(covers[i].sum() < SMALLEST for i in named):
        return None
    return _finish(seed, split, stage, root, covers)


def _style(rng: random.Random) -> Style:
    return Style(
        grain=rng.uniform(0.0, 0.02),
        brightness=rng.uniform(0.86, 1.06),
        outline=rng.choice((0, 0, 0.7, 1.3)),
        shadow=rng.choice((0, 2, 3.4)),
        darkness=rng.uniform(0.25, 0.5),
    )


def _finish(seed: int, split: str, stage: Stage, root: Node, covers: list[np.ndarray]) -> Scene:
    order = [i for i, p in enumerate(stage.props) if p.ground] + [
        i for i, p in enumerate(stage.props) if not p.ground
    ]
    index = {old: new for new, old in enumerate(order)}
    for node in root.walk():
        node.things = tuple(index[t] for t in node.things)
    parse = read_off(root)
    things = [_thing(stage.props[i], covers[i], index[i], parse) for i in order]
    grounds = sum(p.ground for p in stage.props)
    return Scene(
        seed,
        split,
        stage.canvas.picture(_grain_seed(seed)),
        parse.caption,
        tuple(things[grounds:]),
        tuple(things[:grounds]),
        parse,
        stage.style,
        _labels(stage, order),
    )


def _grain_seed(seed: int) -> int:
    """Derive the seed of the paper's grain: 32 bits, as numpy's RandomState requires."""
    return (seed * 2654435761 + 12345) % 2**32


def _thing(prop: Prop, mask: np.ndarray, number: int, parse: Parse) -> Thing:
    rows = [r for r in parse.rows if number in r.things and r.upos in ("NOUN", "ADJ", "NUM")]
    noun = next((r for r in rows if r.upos == "NOUN" and r.lemma == prop.noun), None)
    own = [r for r in rows if noun is not None and (r is noun or r.head == noun.id)]
    span = (min(r.start for r in own), max(r.end for r in own)) if own else None
    ys, xs = np.nonzero(mask)
    box = (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1) if len(xs) else (0, 0, 0, 0)
    words = tuple(r.form for r in own if r.relation == "amod")
    return Thing(prop.noun, words, span, box, mask, prop.colour, prop.pattern)


def _labels(stage: Stage, order: list[int]) -> np.ndarray:
    """Return the index of the topmost thing per pixel; parts and accessories of a person are things too."""
    owner = np.zeros(256, np.uint8)
    for new, old in enumerate(order):
        own = stage.props[old].numbers
        owner[[min(own)] if stage.props[old].noun in ("girl", "boy") else list(own)] = new
    fine = np.asarray(stage.canvas.numbers)
    middle = fine[1::3, 1::3]
    return np.asarray(owner[middle])
