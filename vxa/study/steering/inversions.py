"""Real images edited: how well each inversion makes an image again, and what an edit leaves of it.

The images are rendered scenes of `test`, whose masks are exact; the edit gives a thing another colour by
prompt-to-prompt.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vxa.generation.generate import generate
from vxa.papercut import judge
from vxa.papercut.colour_reading import colour_of
from vxa.papercut.nouns import NOUNS
from vxa.papercut.scene import Scene, scene
from vxa.steering import FromTrajectory, PromptToPrompt
from vxa.steering.invert import invert
from vxa.study.frame import Case, Part, Result
from vxa.study.steering.judging import draw_strip, grow
from vxa.tracing.settings import INVERSION_METHODS

__all__ = ["INVERSIONS"]

_FIRST = 5000
"""Scenes from here on are in no other figure."""
_TRIED = 100
"""Scenes among which one with a coloured thing is looked for."""


def _draw(seed: int) -> Case:
    """Draw a scene whose caption names a thing with its colour, and another colour for it."""
    rng = random.Random(f"inversion {seed}")
    for number in range(_FIRST + _TRIED * seed, _FIRST + _TRIED * (seed + 1)):
        found = _coloured_thing(scene(number, "test"))
        if found is not None:
            caption, noun, colour = found
            changed = rng.choice([each for each in NOUNS[noun].colours if each != colour])
            target = re.sub(rf"\b{colour} {noun}\b", f"{changed} {noun}", caption, count=1)
            facts = {"scene": number, "noun": noun, "changed": changed, "prompts": [caption, target]}
            return Case(seed, facts)
    raise LookupError(f"none of {_TRIED} scenes has a coloured thing")


def _coloured_thing(candidate: Scene) -> tuple[str, str, str] | None:
    """Return caption, noun and colour of a thing that is alone of its kind; None where there is none."""
    nouns = [thing.noun for thing in candidate.things]
    for thing in candidate.things:
        phrase = f"{thing.colour} {thing.noun}"
        known = thing.noun in NOUNS and len(NOUNS[thing.noun].colours) > 1
        if known and nouns.count(thing.noun) == 1 and re.search(rf"\b{phrase}\b", candidate.caption):
            return candidate.caption, thing.noun, thing.colour
    return None


def _measure(model: Any, case: Case) -> tuple[Sequence[Result], Image.Image]:
    facts = case.facts
    given = scene(facts["scene"], "test")
    (thing,) = (each for each in given.things if each.noun == facts["noun"])
    made: dict[str, Sequence[Image.Image]] = {}
    for method in INVERSION_METHODS:
        trajectory = invert(model, given.image, facts["prompts"][0], method=method)
        controls = [FromTrajectory(trajectory), PromptToPrompt(local_blend=facts["noun"])]
        made[method] = generate(model, facts["prompts"], controls=controls).images
    plain = generate(model, facts["prompts"][1], seed=case.seed).image
    rows = [
        Result("inversion", name, _figures(given.image, again, edited, thing.mask, facts))
        for name, (again, edited) in made.items()
    ]
    rows.append(Result("inversion", "plain", _figures(given.image, None, plain, thing.mask, facts)))
    return rows, draw_strip({name: [given.image, *pair] for name, pair in made.items()})


def _figures(
    image: Image.Image,
    again: Image.Image | None,
    edited: Image.Image,
    mask: NDArray[np.bool_],
    facts: Mapping[str, Any],
) -> dict[str, float | None]:
    labels = judge.label(edited)
    after = judge.mask(labels, facts["noun"])
    outside = ~grow(mask | after)
    read = colour_of(edited, after, facts["noun"]) if after.any() else ""
    figures: dict[str, float | None] = {} if again is None else {"reconstruction": _psnr(image, again)}
    return figures | {
        "background": _psnr(image, edited, outside) if outside.any() else None,
        "thing there": float(judge.present(labels, facts["noun"])),
        "new colour right": float(read == facts["changed"]),
    }


def _psnr(first: Image.Image, second: Image.Image, where: NDArray[np.bool_] | None = None) -> float:
    """Return the peak signal-to-noise ratio in dB, of all pixels or some."""
    one, other = (np.asarray(each.convert("RGB"), np.float64) for each in (first, second))
    squared = (one - other) ** 2
    error = float((squared if where is None else squared[where]).mean())
    return 10 * math.log10(255**2 / max(error, 1e-3))


INVERSIONS = Part(
    "inversion",
    "A real image is inverted, made again, and a thing in it takes another colour.",
    {
        "reconstruction": "PSNR in dB of the image made again",
        "background": "PSNR in dB of the edit outside the thing",
        "thing there": "share of edits in which the judge finds the thing",
        "new colour right": "share of edits in which it has the new colour",
    },
    "ddim",
    _draw,
    _measure,
)
