"""Pictures with questions about them whose answers are known: what maps are measured on.

Two tracks. A *rendered* picture is a papercut scene, and every answer an exact mask. A *generated* one was
made from a scene's caption, and the judge, a segmenter of its own, says where its nouns are; those that it
does not find are counted, and ask nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from vxa.papercut import Scene, judge, scene
from vxa.papercut.scene import Split
from vxa.study.metrics import Mask
from vxa.study.segmentation import object_nouns

WordClass = Literal["noun", "adjective", "verb"]
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


def rendered(seed: int, split: Split) -> Picture:
    """The scene of that seed, with the exact masks of its objects' nouns, adjectives and verbs."""
    shown = scene(seed, split)
    nouns = object_nouns(shown)
    asked = [(word, "noun", truth) for word, truth in nouns.items()] + _spoken_of(shown)
    questions = [Question(word, kind, truth, _others(truth, nouns)) for word, kind, truth in asked]  # type: ignore[arg-type]
    return Picture(seed, shown.image, shown.caption, tuple(questions))


def judged(image: Image.Image, shown: Scene) -> Picture:
    """An image made from a scene's caption, with the judge's masks of the nouns that it finds."""
    labels = judge.label(image)
    lemmas = {row.form: row.lemma for row in shown.parse.rows if row.upos == "NOUN"}
    wanted = {word: lemmas[word] for word in object_nouns(shown)}
    found = {
        word: judge.mask(labels, lemma) for word, lemma in wanted.items() if judge.present(labels, lemma)
    }
    questions = [Question(word, "noun", truth, _others(truth, found)) for word, truth in found.items()]
    absent = tuple(word for word in wanted if word not in found)
    return Picture(shown.seed, image, shown.caption, tuple(questions), absent)


def _spoken_of(shown: Scene) -> list[tuple[str, WordClass, Mask]]:
    """The adjectives and verbs that speak of objects, each with what all its occurrences speak of."""
    grounds = range(len(shown.grounds))
    asked: dict[tuple[str, WordClass], Mask] = {}
    for row in shown.parse.rows:
        if row.upos in _CLASSES and row.things and not set(row.things) & set(grounds):
            key = row.form, _CLASSES[row.upos]
            asked[key] = asked.get(key, np.zeros(shown.labels.shape, bool)) | shown.word_mask(row.id)
    return [(word, kind, truth) for (word, kind), truth in asked.items()]


def _others(truth: Mask, nouns: dict[str, Mask]) -> Mask:
    """The pixels of objects that are not in `truth`."""
    every = np.any(list(nouns.values()), axis=0) if nouns else np.zeros_like(truth)
    others: Mask = every & ~truth
    return others
