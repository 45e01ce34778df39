"""Baselines: the whole image, a centre prior, another word's map, and an untrained network."""

from __future__ import annotations

from functools import cache

import numpy as np

from vxa.papercut import scene
from vxa.study.evidence import Evidence
from vxa.study.peers import Values
from vxa.study.segmentation import object_nouns

__all__ = ["CENTRE_THRESHOLD", "another_word", "centre", "untrained", "whole"]

CENTRE_THRESHOLD = 0.5
"""Best threshold of the centre prior on the scenes that it is averaged over."""

_SCENES = 60


def whole(evidence: Evidence, word: str) -> Values:
    """Return a map that marks the whole image."""
    return np.ones(evidence.one_pass.image_size, np.float32)


def centre(evidence: Evidence, word: str) -> Values:
    """Return the mean mask of all objects of some `dev` scenes, whatever the word."""
    return _mean_mask()


def another_word(evidence: Evidence, word: str) -> Values:
    """Return the refined map of another word of the caption, chosen by the picture's seed."""
    others = [each.text for each in evidence.one_pass.words if each.text != word] or [word]
    other = str(np.random.default_rng(evidence.picture.seed).choice(others))
    return evidence.one_pass.heat_map(other, refine=True).upsampled()


def untrained(evidence: Evidence, word: str) -> Values:
    """Return the refined map of the untrained network."""
    return evidence.untrained.heat_map(word, refine=True).upsampled()


@cache
def _mean_mask() -> Values:
    scenes = (scene(seed, "dev") for seed in range(_SCENES))
    masks = [truth for each in scenes for truth in object_nouns(each).values()]
    mean: Values = np.mean(masks, axis=0, dtype=np.float32)
    mean.setflags(write=False)
    return mean
