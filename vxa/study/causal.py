"""The causal check: does a word's map show what the word does?

The picture is made again from the same noise by the caption without the word. Where its pixels change is what
the word did, whatever any map says; the figure is the correlation of the map with the change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from PIL import Image

from vxa.study.evidence import Evidence, made
from vxa.study.methods import Method
from vxa.study.peers import Values


def without(caption: str, word: str) -> str:
    """The caption with every occurrence of the word taken out, and what the gap leaves tidied."""
    text = re.sub(rf"\b{re.escape(word)}\b", "", caption)
    text = re.sub(r"\s+", " ", re.sub(r"\s+(?=,)", "", text))
    return re.sub(r"(?:,\s*)+,", ",", text).strip(" ,")


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
    """For each method, the correlation of each present noun's map with what taking the noun out changes."""
    picture = looked_at.picture
    found: dict[str, list[float]] = {name: [] for name in methods}
    for question in picture.questions:
        shorter = without(picture.caption, question.word)
        changed = change(picture.image, made(looked_at.model, shorter, picture.seed))
        for name, method in methods.items():
            found[name].append(correlation(method.read(looked_at, question.word), changed))
    return found
