"""The steering study: what each control changes, and what it leaves, beside the same seed without it.

Pictures are judged by papercut's judge, which never sees attention. "plain" is the same prompt from the same
noise; "noised" is the naive edit: the source's picture noised to 0.7 of the schedule and denoised with the
target's prompt (SDEdit, Meng et al. 2022).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from vxa.generation.generate import generate
from vxa.papercut import judge
from vxa.papercut.colour_reading import colour_of
from vxa.papercut.nouns import GROUNDS, NOUNS
from vxa.pictures.layout import above, beside, text
from vxa.steering import Control, PromptToPrompt, StyleAligned
from vxa.study.frame import Case, Part, Result, Study
from vxa.study.metrics import Mask, iou

__all__ = ["STUDY"]

_FLOOR = [noun.name for noun in NOUNS.values() if noun.place == "floor" and len(noun.colours) > 1]
_BORDER = 8  # pixels around a thing that are not counted as background
_NOISED = 0.7


def _edits(case: Mapping[str, Any]) -> dict[str, Control]:
    return {
        "prompt-to-prompt": PromptToPrompt(),
        "with local blend": PromptToPrompt(local_blend=case["noun"]),
    }


def _draw_edit(seed: int) -> Case:
    """Draw a thing, and another thing and another colour for it."""
    rng = random.Random(f"edit {seed}")
    noun, other = rng.sample(_FLOOR, 2)
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
    return rows, _strip(made)


def _swap_figures(source: Image.Image, edited: Image.Image, facts: Mapping[str, Any]) -> dict[str, Any]:
    before, after = (judge.label(each) for each in (source, edited))
    own, other = judge.mask(before, facts["noun"]), judge.mask(after, facts["other"])
    is_there = judge.present(after, facts["other"])
    apart = None
    if is_there and own.any():
        apart = float(np.hypot(*(_centre(own) - _centre(other))))
    return {
        "background error": _background_error(source, edited, own | other),
        "distance of centres": apart,
        "target there": float(is_there),
    }


def _colour_figures(source: Image.Image, edited: Image.Image, facts: Mapping[str, Any]) -> dict[str, Any]:
    before, after = (judge.mask(judge.label(each), facts["noun"]) for each in (source, edited))
    read = colour_of(edited, after, facts["noun"]) if after.any() else ""
    return {
        "background error": _background_error(source, edited, before | after),
        "shape IoU": iou(before, after) if before.any() else None,
        "new colour right": float(read == facts["changed"]),
    }


def _background_error(source: Image.Image, edited: Image.Image, things: Mask) -> float | None:
    """Return the mean absolute difference, of 255, outside the things and a border around them."""
    outside = ~_grown(things)
    if not outside.any():
        return None
    first, second = (np.asarray(each.convert("RGB"), np.float32) for each in (source, edited))
    return float(np.abs(first - second)[outside].mean())


def _grown(mask: Mask) -> Mask:
    """Return the mask grown by `_BORDER` pixels."""
    values = torch.from_numpy(mask)[None, None].float()
    return np.asarray(functional.max_pool2d(values, 2 * _BORDER + 1, 1, _BORDER)[0, 0].numpy() > 0)


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


_STYLES: Mapping[str, Control | None] = {
    "plain": None,
    "without sharing": StyleAligned(share=False),
    "without AdaIN": StyleAligned(normalize="none"),
    "style-aligned": StyleAligned(),
}


def _draw_style(seed: int) -> Case:
    nouns = random.Random(f"style {seed}").sample(_FLOOR, 4)
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
    return rows, _strip(made)


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


def _strip(made: Mapping[str, Sequence[Image.Image]]) -> Image.Image:
    """Return the pictures, a row for each condition."""
    rows = []
    for name, pictures in made.items():
        small = [picture.resize((160, 160 * picture.height // picture.width)) for picture in pictures]
        rows.append(above([text(name, 14), beside(small, 4)], 4))
    return above(rows, 10)


STUDY = Study(
    "steering",
    "What steering changes, and what it leaves",
    (
        Part(
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
        ),
        Part(
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
        ),
    ),
)
