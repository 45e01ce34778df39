"""Prompt edits: a thing becomes another thing, or takes another colour.

"plain" is the target's prompt from the same noise; "noised" is the naive edit: the source's picture noised to
0.7 of the schedule and denoised with the target's prompt (SDEdit, Meng et al. 2022).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from vxa.generation.generate import generate
from vxa.papercut import judge
from vxa.papercut.colour_reading import colour_of
from vxa.papercut.nouns import NOUNS
from vxa.steering import Control, PromptToPrompt
from vxa.study.frame import Case, Part, Result
from vxa.study.metrics import Mask, iou
from vxa.study.steering.judging import FLOOR, background_error, draw_strip

__all__ = ["EDITS"]

_NOISED = 0.7


def _edits(case: Mapping[str, Any]) -> dict[str, Control]:
    return {
        "prompt-to-prompt": PromptToPrompt(),
        "with local blend": PromptToPrompt(local_blend=case["noun"]),
    }


def _draw_edit(seed: int) -> Case:
    """Draw a thing, and another thing and another colour for it."""
    rng = random.Random(f"edit {seed}")
    noun, other = rng.sample(FLOOR, 2)
    colours = sorted(set(NOUNS[noun].colours) & set(NOUNS[other].colours))
    colour = rng.choice(colours)
    changed = rng.choice([each for each in NOUNS[noun].colours if each != colour])
    prompts = [f"a {colour} {noun} on grass", f"a {colour} {other} on grass", f"a {changed} {noun} on grass"]
    return Case(
        seed,
        {"noun": noun, "other": other, "colour": colour, "changed": changed, "prompts": prompts},
    )


def _measure_edit(model: Any, case: Case) -> tuple[Sequence[Result], Image.Image]:
    facts = case.facts
    prompts = facts["prompts"]
    made: dict[str, Sequence[Image.Image]] = {}
    made["plain"] = [generate(model, prompt, seed=case.seed).image for prompt in prompts]
    source = made["plain"][0]
    made["noised"] = [source, *(_noised(model, source, prompt, case.seed) for prompt in prompts[1:])]
    for name, control in _edits(facts).items():
        made[name] = generate(model, prompts, seed=case.seed, controls=[control]).images
    rows = []
    for name, (_, swapped, recoloured) in made.items():
        rows.append(Result("noun swap", name, _swap_figures(source, swapped, facts)))
        rows.append(Result("colour swap", name, _colour_figures(source, recoloured, facts)))
    return rows, draw_strip(made)


def _swap_figures(source: Image.Image, edited: Image.Image, facts: Mapping[str, Any]) -> dict[str, Any]:
    before, after = (judge.label(each) for each in (source, edited))
    own, other = judge.mask(before, facts["noun"]), judge.mask(after, facts["other"])
    is_there = judge.present(after, facts["other"])
    apart = None
    if is_there and own.any():
        apart = float(np.hypot(*(_centre(own) - _centre(other))))
    return {
        "background error": background_error(source, edited, own | other),
        "distance of centres": apart,
        "target there": float(is_there),
    }


def _colour_figures(source: Image.Image, edited: Image.Image, facts: Mapping[str, Any]) -> dict[str, Any]:
    before, after = (judge.mask(judge.label(each), facts["noun"]) for each in (source, edited))
    read = colour_of(edited, after, facts["noun"]) if after.any() else ""
    return {
        "background error": background_error(source, edited, before | after),
        "shape IoU": iou(before, after) if before.any() else None,
        "new colour right": float(read == facts["changed"]),
    }


def _centre(mask: Mask) -> NDArray[np.float64]:
    return np.asarray(np.argwhere(mask).mean(0))


def _noised(model: Any, source: Image.Image, prompt: str, seed: int) -> Image.Image:
    """Return the source noised to a share of the schedule and denoised with another prompt."""
    from diffusers import StableDiffusionImg2ImgPipeline

    pipeline = StableDiffusionImg2ImgPipeline(**model.pipeline.components, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    made: Image.Image = pipeline(
        prompt,
        source,
        strength=_NOISED,
        num_inference_steps=20,
        guidance_scale=5.0,
        generator=torch.Generator().manual_seed(seed),
    ).images[0]
    return made


EDITS = Part(
    "edit",
    "The source's thing becomes another thing, or takes another colour.",
    {
        "background error": "mean absolute difference of 255, outside both things",
        "distance of centres": "pixels between the source's thing and the target's",
        "target there": "share of pictures in which the judge finds the target",
        "shape IoU": "overlap of the thing before and after",
        "new colour right": "share of pictures in which the thing has the new colour",
    },
    "plain",
    _draw_edit,
    _measure_edit,
)
