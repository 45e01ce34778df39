"""The causal check: does a word's map show what the word does?

The picture is made again from the same noise by the caption with another noun in the word's place, so that it
stays a sentence. Where its pixels change is what the word did, whatever any map says; the figure is the
correlation of the map with the change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from PIL import Image

from vxa.papercut.nouns import COLOURS, NOUNS, PATTERNS
from vxa.papercut.phrases import MASS, NUMBERS
from vxa.study.evidence import Evidence, made
from vxa.study.methods import Method, serving
from vxa.study.peers import Values

_LEMMAS = {form: noun.name for noun in NOUNS.values() for form in (noun.many, noun.name)}
_PRONOUNS = {"his": "her", "her": "his", "he": "she", "she": "he"}
_COUNTED = rf"\b(?:{'|'.join(NUMBERS.values())})(?: (?:{'|'.join((*COLOURS, *PATTERNS))}))* "


def swapped(caption: str, word: str, seed: int) -> str:
    """The caption with another noun, drawn by the seed, for every occurrence of the word, in its number.

    It is one that can be in the same place and, where there is such a one, no look-alike of the word's. A
    person's pronouns go along, and an apple tree loses its apples."""
    noun = NOUNS[_LEMMAS[word]]
    free = [name for name in _in_its_place(noun.name) if not _named(name, caption)]
    apart = [name for name in free if NOUNS[name].family != noun.family]
    floor = [name for name in NOUNS if NOUNS[name].place == "floor" and not _named(name, caption)]
    other = NOUNS[str(np.random.default_rng(seed).choice(apart or free or floor))]
    plural = word != noun.name or re.search(_COUNTED + rf"{word}\b", caption)
    text = re.sub(rf"\ban apple {word}\b", f"a {word}", caption)
    text = re.sub(rf"\b(?:apple )?{word}\b", other.many if plural else other.name, text)
    if {noun.place, other.place} == {"person"}:
        text = re.sub(rf"\b({'|'.join(_PRONOUNS)})\b", lambda found: _PRONOUNS[found[0]], text)
    return text


def _in_its_place(noun: str) -> list[str]:
    """The nouns that can be said where this one is: of stuff, people, clothes, or of one place."""
    if noun in MASS:
        return [name for name in NOUNS if name in MASS]
    place = NOUNS[noun].place
    return [
        name
        for name, other in NOUNS.items()
        if other.place == ("worn" if place == "part" else place) and name not in MASS
    ]


def _named(noun: str, caption: str) -> bool:
    return bool(re.search(rf"\b(?:{noun}|{NOUNS[noun].many})\b", caption))


def change(before: Image.Image, after: Image.Image) -> Values:
    """How much each pixel changed: the mean absolute difference of its channels, float32 [h, w] in [0, 1]."""
    pixels = [np.asarray(image.convert("RGB"), np.float32) / 255 for image in (before, after)]
    difference: Values = np.abs(pixels[0] - pixels[1]).mean(-1)
    return difference


def correlation(values: Values, changed: Values) -> float:
    """Pearson's correlation of two arrays of one shape; 0 where one of them is flat."""
    first, second = values.ravel() - values.mean(), changed.ravel() - changed.mean()
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / norm if norm else 0.0


def correlations(looked_at: Evidence, methods: Mapping[str, Method]) -> dict[str, list[float]]:
    """For each method, the correlation of each present noun's map with what another noun in its place
    changes."""
    picture = looked_at.picture
    asked = serving(methods, picture.track)
    found: dict[str, list[float]] = {name: [] for name in asked}
    for question in picture.questions:
        if question.kind == "noun":
            other = swapped(picture.caption, question.word, picture.seed)
            changed = change(picture.image, made(looked_at.model, other, picture.seed))
            for name, method in asked.items():
                found[name].append(correlation(method.read(looked_at, question.word), changed))
    return found
