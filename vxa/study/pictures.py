"""Pictures with questions whose answers are known: the data that maps are measured on.

There are two tracks. A *rendered* picture is a papercut scene, and every answer is an exact mask. A
*generated* picture comes from a scene's caption; its answers are masks of the judge, a separate segmenter.
Nouns that the judge does not find are counted but give no question. A colour gives a question if the judge
sees its things in that colour, a verb if the judge sees all the things it refers to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vxa.papercut import Scene, judge, scene
from vxa.papercut.colour_reading import colour_of
from vxa.papercut.parse import Row
from vxa.papercut.scene import Split
from vxa.study.metrics import Mask
from vxa.study.segmentation import object_nouns

Track = Literal["rendered", "generated"]
TRACKS: tuple[Track, ...] = get_args(Track)
WordClass = Literal["noun", "adjective", "verb"]
WordMask = tuple[str, WordClass, Mask]
_CLASSES: dict[str, WordClass] = {"ADJ": "adjective", "VERB": "verb"}


@dataclass(frozen=True, eq=False)
class Question:
    """A word of a caption and the mask of the things it refers to.

    Attributes:
        word: the word as the caption writes it; all its occurrences together.
        kind: its class. Nouns are those of objects; grounds give no question.
        truth: bool [h, w], the pixels of the things it refers to.
        others: bool [h, w], the pixels of the caption's other objects.
    """

    word: str
    kind: WordClass
    truth: Mask
    others: Mask


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture, its caption and its questions; `absent` are the nouns that it lacks."""

    seed: int
    image: Image.Image
    caption: str
    questions: tuple[Question, ...]
    absent: tuple[str, ...] = ()
    track: Track = "rendered"


def rendered(seed: int, split: Split) -> Picture:
    """Draw the scene of a seed, with the exact masks of its objects' nouns, adjectives and verbs."""
    sample = scene(seed, split)
    nouns = object_nouns(sample)
    rest = _adjectives_and_verbs(sample, lambda row: sample.word_mask(row.id))
    words: list[WordMask] = [(word, "noun", truth) for word, truth in nouns.items()] + rest
    questions = tuple(Question(word, kind, truth, _others(truth, nouns)) for word, kind, truth in words)
    return Picture(seed, sample.image, sample.caption, questions)


def judged(image: Image.Image, sample: Scene) -> Picture:
    """Label an image generated from a scene's caption, with the judge's masks of the words that it finds."""
    labels = judge.label(image)
    lemmas = {row.form: row.lemma for row in sample.parse.rows if row.upos == "NOUN"}
    nouns = {word: lemmas[word] for word in object_nouns(sample)}
    masks = {word: judge.mask(labels, lemma) for word, lemma in nouns.items() if judge.present(labels, lemma)}
    rest = _adjectives_and_verbs(sample, lambda row: _judge_row(row, sample, image, labels))
    words: list[WordMask] = [(word, "noun", truth) for word, truth in masks.items()] + rest
    questions = tuple(Question(word, kind, truth, _others(truth, masks)) for word, kind, truth in words)
    absent = tuple(word for word in nouns if word not in masks)
    return Picture(sample.seed, image, sample.caption, questions, absent, "generated")


def _adjectives_and_verbs(sample: Scene, mask_of: Callable[[Row], Mask | None]) -> list[WordMask]:
    """Return the adjectives and verbs of objects, each with the union of the masks of its occurrences.

    A word with an occurrence whose mask is unknown (None) is left out."""
    grounds = range(len(sample.grounds))
    occurrences: dict[tuple[str, WordClass], list[Mask | None]] = {}
    for row in sample.parse.rows:
        if row.upos in _CLASSES and row.things and not set(row.things) & set(grounds):
            occurrences.setdefault((row.form, _CLASSES[row.upos]), []).append(mask_of(row))
    known = {key: [mask for mask in masks if mask is not None] for key, masks in occurrences.items()}
    return [
        (word, kind, np.any(known[word, kind], axis=0))
        for (word, kind), masks in occurrences.items()
        if len(known[word, kind]) == len(masks)
    ]


def _judge_row(row: Row, sample: Scene, image: Image.Image, labels: NDArray[np.int64]) -> Mask | None:
    """Return the mask of an adjective or verb in a generated picture; None where the judge cannot tell.

    It cannot if things are absent, share their noun with other things, or have another colour."""
    nouns = {sample.things[number].noun for number in row.things}
    others = {thing.noun for number, thing in enumerate(sample.things) if number not in row.things}
    if nouns & others or not all(judge.present(labels, noun) for noun in nouns):
        return None
    masks = {noun: judge.mask(labels, noun) for noun in nouns}
    if _CLASSES[row.upos] == "adjective" and any(
        colour_of(image, where, noun) != row.form for noun, where in masks.items()
    ):
        return None
    return np.asarray(np.any(list(masks.values()), axis=0))


def _others(truth: Mask, nouns: dict[str, Mask]) -> Mask:
    """Return the pixels of objects that are not in `truth`."""
    every = np.any(list(nouns.values()), axis=0) if nouns else np.zeros_like(truth)
    others: Mask = every & ~truth
    return others
