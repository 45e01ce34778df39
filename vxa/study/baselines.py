"""What maps must be better than: everything, the middle, another word, and a network that learned nothing."""

from __future__ import annotations

from functools import cache

import numpy as np

from vxa.papercut import scene
from vxa.study.evidence import Evidence
from vxa.study.peers import Values
from vxa.study.segmentation import object_nouns

__all__ = ["CENTRE_THRESHOLD", "another_word", "centre", "untrained", "whole"]

CENTRE_THRESHOLD = 0.5
"""The best of the centre prior on the scenes that it is learned on."""

_LEARNED = 60


def whole(evidence: Evidence, word: str) -> Values:
    """Everything marked."""
    return np.ones(evidence.clean.image_size, np.float32)


def centre(evidence: Evidence, word: str) -> Values:
    """Where things are, whatever they are: the mean mask of the objects of some `dev` scenes."""
    return _mean_mask()


def another_word(evidence: Evidence, word: str) -> Values:
    """The refined map of another word of the caption, drawn by the picture's seed."""
    others = [found.text for found in evidence.clean.words if found.text != word] or [word]
    drawn = str(np.random.default_rng(evidence.picture.seed).choice(others))
    return evidence.clean.heat_map(drawn, refine=True).upsampled()


def untrained(evidence: Evidence, word: str) -> Values:
    """The refined map of the network that learned nothing."""
    return evidence.untrained.heat_map(word, refine=True).upsampled()


@cache
def _mean_mask() -> Values:
    shown = (scene(seed, "dev") for seed in range(_LEARNED))
    masks = [truth for each in shown for truth in object_nouns(each).values()]
    mean: Values = np.mean(masks, axis=0, dtype=np.float32)
    mean.setflags(write=False)
    return mean
