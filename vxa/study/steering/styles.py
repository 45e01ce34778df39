"""StyleAligned: how alike the surroundings of several pictures are, of which the prompts say nothing."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vxa.generation.generate import generate
from vxa.papercut import judge
from vxa.papercut.nouns import GROUNDS
from vxa.steering import Control, StyleAligned
from vxa.study.frame import Case, Part, Result
from vxa.study.metrics import iou
from vxa.study.steering.judging import FLOOR, draw_strip

__all__ = ["STYLES"]

_STYLES: Mapping[str, Control | None] = {
    "plain": None,
    "without sharing": StyleAligned(share=False),
    "without AdaIN": StyleAligned(normalize="none"),
    "style-aligned": StyleAligned(),
}


def _draw_style(seed: int) -> Case:
    nouns = random.Random(f"style {seed}").sample(FLOOR, 4)
    return Case(seed, {"nouns": nouns, "prompts": [f"a {noun}" for noun in nouns]})


def _measure_style(model: Any, case: Case) -> tuple[Sequence[Result], Image.Image]:
    made: dict[str, Sequence[Image.Image]] = {}
    for name, control in _STYLES.items():
        if control is None:
            pictures = [
                generate(model, prompt, seed=4 * case.seed + place).image
                for place, prompt in enumerate(case.facts["prompts"])
            ]
        else:
            pictures = list(
                generate(model, case.facts["prompts"], seed=4 * case.seed, controls=[control]).images
            )
        made[name] = pictures
    rows = [
        Result("style", name, _style_figures(pictures, case.facts["nouns"]))
        for name, pictures in made.items()
    ]
    return rows, draw_strip(made)


def _style_figures(pictures: Sequence[Image.Image], nouns: Sequence[str]) -> dict[str, Any]:
    labels = [judge.label(each) for each in pictures]
    things = [judge.mask(each, noun) for each, noun in zip(labels, nouns, strict=True)]
    styles = [_ground_style(image, found) for image, found in zip(pictures, labels, strict=True)]
    light = [float(np.asarray(image.convert("L"), np.float32).mean()) for image in pictures]
    shown = [judge.present(each, noun) for each, noun in zip(labels, nouns, strict=True)]
    first = things[0]
    overlaps = [iou(first, each) for each in things[1:] if first.any() and each.any()]
    return {
        "variance of grounds": float(np.stack(styles).var(0).mean()),
        "variance of luminance": float(np.var(light)),
        "nouns there": float(np.mean(shown)),
        "overlap with the reference's thing": float(np.mean(overlaps)) if overlaps else None,
    }


def _ground_style(image: Image.Image, labels: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean colours of the upper and the lower half outside things, [2, 3]."""
    pixels = np.asarray(image.convert("RGB"), np.float64)
    ground = labels < len(GROUNDS)
    half = len(pixels) // 2
    means = []
    for rows in (slice(0, half), slice(half, None)):
        own = pixels[rows][ground[rows]]
        means.append(own.mean(0) if len(own) else pixels[rows].mean((0, 1)))
    return np.stack(means)


STYLES = Part(
    "style",
    "Four things, of whose surroundings nothing is said, in the first one's style.",
    {
        "variance of grounds": "between the pictures, of the mean colours outside things",
        "variance of luminance": "between the pictures, of the mean luminance",
        "nouns there": "share of the things that the judge finds",
        "overlap with the reference's thing": "IoU of the things' places: leaked shape",
    },
    "plain",
    _draw_style,
    _measure_style,
)
