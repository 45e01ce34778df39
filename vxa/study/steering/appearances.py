"""Cross-image attention: how much of the structure stays, and how much of the appearance comes over."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vxa.generation.generate import generate
from vxa.papercut import judge
from vxa.papercut.nouns import NOUNS
from vxa.steering import Control, CrossImageAttention
from vxa.study.frame import Case, Part, Result
from vxa.study.metrics import Mask, iou
from vxa.study.steering.judging import FLOOR, draw_strip

__all__ = ["APPEARANCES"]

_LEVELS = 6  # of each channel of a histogram


def _controls(facts: Mapping[str, Any]) -> dict[str, Control]:
    things = f"{facts['noun']}, {facts['other']}"
    return {
        "attention alone": CrossImageAttention(contrast=1, normalize=False),
        "with contrast": CrossImageAttention(normalize=False),
        "cross-image": CrossImageAttention(things=things),
    }


def _draw(seed: int) -> Case:
    """Draw a thing, and another thing in another colour."""
    rng = random.Random(f"appearance {seed}")
    noun, other = rng.sample(FLOOR, 2)
    colour, changed = rng.choice(
        [(one, two) for one in NOUNS[noun].colours for two in NOUNS[other].colours if one != two]
    )
    structure, appearance = f"a {colour} {noun} on grass", f"a {changed} {other} on grass"
    return Case(seed, {"noun": noun, "other": other, "prompts": [structure, appearance, structure]})


def _measure(model: Any, case: Case) -> tuple[Sequence[Result], Image.Image]:
    facts = case.facts
    structure, appearance = (generate(model, each, seed=case.seed).image for each in facts["prompts"][:2])
    made: dict[str, Sequence[Image.Image]] = {"plain": [structure, appearance, structure]}
    for name, control in _controls(facts).items():
        made[name] = generate(model, facts["prompts"], seed=case.seed, controls=[control]).images
    rows = [
        Result("appearance", name, _figures(structure, appearance, output, facts))
        for name, (_, _, output) in made.items()
    ]
    return rows, draw_strip(made)


def _figures(
    structure: Image.Image, appearance: Image.Image, output: Image.Image, facts: Mapping[str, Any]
) -> dict[str, float | None]:
    own, after = (judge.mask(judge.label(each), facts["noun"]) for each in (structure, output))
    other = judge.mask(judge.label(appearance), facts["other"])
    apart = None
    if after.any() and other.any():
        apart = _distance(_histogram(output, after), _histogram(appearance, other))
    return {
        "structure kept": iou(own, after) if own.any() else None,
        "distance of colours": apart,
    }


def _histogram(image: Image.Image, where: Mask) -> NDArray[np.float64]:
    """Return the shares of a thing's colours, [levels³]."""
    pixels = np.asarray(image.convert("RGB"))[where].astype(int) * _LEVELS // 256
    index = pixels @ np.array([_LEVELS**2, _LEVELS, 1])
    counts = np.bincount(index, minlength=_LEVELS**3).astype(np.float64)
    return np.asarray(counts / counts.sum())


def _distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the total variation distance of two histograms, 0 to 1."""
    return float(np.abs(first - second).sum() / 2)


APPEARANCES = Part(
    "appearance",
    "A thing takes the appearance of another picture's thing.",
    {
        "structure kept": "IoU of the thing with the structure's",
        "distance of colours": "of the thing's colours to those of the appearance's thing, 0 to 1",
    },
    "plain",
    _draw,
    _measure,
)
