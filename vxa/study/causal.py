"""The causal check: correlation of a word's map with the pixels that the word changes.

The picture is generated again from the same noise, with another noun in the word's place, so that the caption
stays a sentence. The pixels that change are the effect of the word, independently of any map. The figure is
the correlation of the map with that change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from PIL import Image

from vxa.papercut.nouns import COLOURS, NOUNS, PATTERNS
from vxa.papercut.phrases import MASS, NUMBERS
from vxa.study.evidence import Evidence, made
from vxa.study.methods import Method, methods_for
from vxa.study.peers import Values

_LEMMAS = {form: noun.name for noun in NOUNS.values() for form in (noun.many, noun.name)}
_PRONOUNS = {"his": "her", "her": "his", "he": "she", "she": "he"}
_COUNTED = rf"\b(?:{'|'.join(NUMBERS.values())})(?: (?:{'|'.join((*COLOURS, *PATTERNS))}))* "


def swapped(caption: str, word: str, seed: int) -> str:
    """Replace every occurrence of the word in the caption by another noun, chosen by the seed.

    The other noun is written in the same number. It can be in the same place and, if possible, is of another
    family of look-alikes. A person's pronouns are replaced too, and "apple tree" loses its "apple"."""
    noun = NOUNS[_LEMMAS[word]]
    free = [name for name in _replacements(noun.name) if not _is_named(name, caption)]
    apart = [name for name in free if NOUNS[name].family != noun.family]
    floor = [name for name in NOUNS if NOUNS[name].place == "floor" and not _is_named(name, caption)]
    other = NOUNS[str(np.random.default_rng(seed).choice(apart or free or floor))]
    plural = word != noun.name or re.search(_COUNTED + rf"{word}\b", caption)
    text = re.sub(rf"\ban apple {word}\b", f"a {word}", caption)
    text = re.sub(rf"\b(?:apple )?{word}\b", other.many if plural else other.name, text)
    if {noun.place, other.place} == {"person"}:
        text = re.sub(rf"\b({'|'.join(_PRONOUNS)})\b", lambda match: _PRONOUNS[match[0]], text)
    return text


def _replacements(noun: str) -> list[str]:
    """Return the nouns that can replace this one: other mass nouns, or nouns of the same place.

    A countable part of a person is replaced by an accessory or a shirt."""
    if noun in MASS:
        return [name for name in NOUNS if name in MASS]
    place = NOUNS[noun].place
    return [
        name
        for name, other in NOUNS.items()
        if other.place == ("worn" if place == "part" else place) and name not in MASS
    ]


def _is_named(noun: str, caption: str) -> bool:
    return bool(re.search(rf"\b(?:{noun}|{NOUNS[noun].many})\b", caption))


def change(before: Image.Image, after: Image.Image) -> Values:
    """Return the mean absolute difference over channels of every pixel, float32 [h, w] in [0, 1]."""
    pixels = [np.asarray(image.convert("RGB"), np.float32) / 255 for image in (before, after)]
    difference: Values = np.abs(pixels[0] - pixels[1]).mean(-1)
    return difference


def correlation(values: Values, changed: Values) -> float:
    """Return Pearson's correlation of two arrays of one shape; 0 if one of them is constant."""
    first, second = values.ravel() - values.mean(), changed.ravel() - changed.mean()
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / norm if norm else 0.0


def correlations(evidence: Evidence, methods: Mapping[str, Method]) -> dict[str, list[float]]:
    """Return, per method, the correlation of each present noun's map with the change by another noun."""
    picture = evidence.picture
    serving = methods_for(methods, picture.track)
    values: dict[str, list[float]] = {name: [] for name in serving}
    for question in picture.questions:
        if question.kind == "noun":
            other = swapped(picture.caption, question.word, picture.seed)
            changed = change(picture.image, made(evidence.model, other, picture.seed))
            for name, method in serving.items():
                values[name].append(correlation(method.read(evidence, question.word), changed))
    return values
