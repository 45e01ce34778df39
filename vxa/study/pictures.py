"""Pictures with questions about them whose answers are known: what maps are measured on.

Two tracks. A *rendered* picture is a papercut scene, and every answer an exact mask. A *generated* one was
made from a scene's caption, and the judge, a segmenter of its own, says where its nouns are; those that it
does not find are counted, and ask nothing. A colour is asked for where the judge sees its things in it, a
verb where it sees all that it speaks of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vxa.papercut import Scene, judge, scene
from vxa.papercut.parse import Row
from vxa.papercut.scene import Split
from vxa.study.metrics import Mask
from vxa.study.segmentation import object_nouns

Track = Literal["rendered", "generated"]
TRACKS: tuple[Track, ...] = get_args(Track)
WordClass = Literal["noun", "adjective", "verb"]
Asked = tuple[str, WordClass, Mask]
_CLASSES: dict[str, WordClass] = {"ADJ": "adjective", "VERB": "verb"}


@dataclass(frozen=True, eq=False)
class Question:
    """Where is what this word speaks of?

    Attributes:
        word: as the caption writes it; all its occurrences together.
        kind: its class. Objects' nouns are the nouns; grounds are not asked for.
        truth: bool [h, w], the pixels of what it speaks of.
        others: bool [h, w], the pixels of the caption's other objects.
    """

    word: str
    kind: WordClass
    truth: Mask
    others: Mask


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture, its caption and its questions; `absent` are the nouns that it does not show."""

    seed: int
    image: Image.Image
    caption: str
    questions: tuple[Question, ...]
    absent: tuple[str, ...] = ()
    track: Track = "rendered"


def rendered(seed: int, split: Split) -> Picture:
    """The scene of that seed, with the exact masks of its objects' nouns, adjectives and verbs."""
    shown = scene(seed, split)
    nouns = object_nouns(shown)
    spoken = _spoken_of(shown, lambda row: shown.word_mask(row.id))
    asked: list[Asked] = [(word, "noun", truth) for word, truth in nouns.items()] + spoken
    questions = tuple(Question(word, kind, truth, _others(truth, nouns)) for word, kind, truth in asked)
    return Picture(seed, shown.image, shown.caption, questions)


def judged(image: Image.Image, shown: Scene) -> Picture:
    """An image made from a scene's caption, with the judge's masks of the words whose things it finds."""
    labels = judge.label(image)
    lemmas = {row.form: row.lemma for row in shown.parse.rows if row.upos == "NOUN"}
    wanted = {word: lemmas[word] for word in object_nouns(shown)}
    found = {
        word: judge.mask(labels, lemma) for word, lemma in wanted.items() if judge.present(labels, lemma)
    }
    spoken = _spoken_of(shown, lambda row: _judged(row, shown, image, labels))
    asked: list[Asked] = [(word, "noun", truth) for word, truth in found.items()] + spoken
    questions = tuple(Question(word, kind, truth, _others(truth, found)) for word, kind, truth in asked)
    absent = tuple(word for word in wanted if word not in found)
    return Picture(shown.seed, image, shown.caption, questions, absent, "generated")


def _spoken_of(shown: Scene, mask_of: Callable[[Row], Mask | None]) -> list[Asked]:
    """The adjectives and verbs that speak of objects, each with what all its occurrences speak of; those with
    an occurrence whose mask is not known are left out."""
    grounds = range(len(shown.grounds))
    asked: dict[tuple[str, WordClass], list[Mask | None]] = {}
    for row in shown.parse.rows:
        if row.upos in _CLASSES and row.things and not set(row.things) & set(grounds):
            asked.setdefault((row.form, _CLASSES[row.upos]), []).append(mask_of(row))
    known = {key: [mask for mask in masks if mask is not None] for key, masks in asked.items()}
    return [
        (word, kind, np.any(known[word, kind], axis=0))
        for (word, kind), masks in asked.items()
        if len(known[word, kind]) == len(masks)
    ]


def _judged(row: Row, shown: Scene, image: Image.Image, labels: NDArray[np.int64]) -> Mask | None:
    """What an adjective or verb speaks of in a generated picture; None where the judge cannot tell: things
    that are not there, that share their noun with others, or that are not in the colour."""
    nouns = {shown.things[number].noun for number in row.things}
    others = {thing.noun for number, thing in enumerate(shown.things) if number not in row.things}
    if nouns & others or not all(judge.present(labels, noun) for noun in nouns):
        return None
    where: Mask = np.any([judge.mask(labels, noun) for noun in nouns], axis=0)
    if _CLASSES[row.upos] == "adjective" and judge.colour_of(image, where) != row.form:
        return None
    return where


def _others(truth: Mask, nouns: dict[str, Mask]) -> Mask:
    """The pixels of objects that are not in `truth`."""
    every = np.any(list(nouns.values()), axis=0) if nouns else np.zeros_like(truth)
    others: Mask = every & ~truth
    return others
