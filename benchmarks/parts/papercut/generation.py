"""Presence of prompted nouns and colours in generated pictures, by the judge."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from tqdm import tqdm

from vxa import load
from vxa.papercut import judge
from vxa.papercut.colour_reading import colour_of
from vxa.papercut.nouns import NOUNS
from vxa.study.metrics import bootstrap

Pair = tuple[str, str]

FREE = [noun.name for noun in NOUNS.values() if noun.place in ("floor", "air")]
"""Nouns of things that stand by themselves."""


def measure(scale: float) -> dict[str, Any]:
    """Return the shares of pictures with the prompted nouns, and their colours: 20 DDIM steps, guidance 5."""
    ones = [noun for noun in NOUNS for _ in range(max(1, round(7 * scale)))]
    one = [shows(image, noun) for image, noun in zip(generate([a(n) for n in ones]), ones, strict=True)]
    painted = draw_painted(round(200 * scale))
    single = generate([a(f"{colour} {noun}") for colour, noun in painted])
    pairs, colours = draw_pairs(round(200 * scale))
    plain = generate([f"{a(x)} and {a(y)}" for x, y in pairs])
    coloured = generate(
        [f"{a(f'{c} {x}')} and {a(f'{d} {y}')}" for (x, y), (c, d) in zip(pairs, colours, strict=True)]
    )
    there = both_there(coloured, pairs)
    bound = [
        hit and in_colours(image, pair, colour_pair)
        for hit, image, pair, colour_pair in zip(there, coloured, pairs, colours, strict=True)
    ]
    alone = [
        shows(image, noun) and in_colours(image, (noun,), (colour,))
        for image, (colour, noun) in zip(single, painted, strict=True)
    ]
    return {
        "one_noun_present": bootstrap(one), "one_noun_prompts": len(one),
        "nouns_missed_at_least_once": sorted({n for n, hit in zip(ones, one, strict=True) if not hit}),
        "one_coloured_noun_in_its_colour": bootstrap(alone), "one_coloured_noun_prompts": len(painted),
        "two_nouns_present": bootstrap(both_there(plain, pairs)),
        "two_coloured_nouns_present": bootstrap(there),
        "two_nouns_present_with_their_colours": bootstrap(bound), "two_noun_prompts": len(pairs),
    }  # fmt: skip


def draw_painted(count: int) -> list[Pair]:
    """Draw random nouns that stand by themselves, each as (colour, noun)."""
    rng = random.Random(1)
    nouns = [rng.choice(FREE) for _ in range(count)]
    return [(rng.choice(NOUNS[noun].colours), noun) for noun in nouns]


def draw_pairs(count: int) -> tuple[list[Pair], list[Pair]]:
    """Draw random pairs of nouns that stand by themselves, and a colour for each noun."""
    rng = random.Random(0)
    pairs = [(first, second) for first, second in (rng.sample(FREE, 2) for _ in range(count))]
    colours = [(rng.choice(NOUNS[x].colours), rng.choice(NOUNS[y].colours)) for x, y in pairs]
    return pairs, colours


def a(phrase: str) -> str:
    """Put an article before the phrase, as the captions do."""
    if phrase.split()[-1] in ("hair", "glasses"):
        return phrase
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def generate(prompts: list[str], batch: int = 8) -> list[Image.Image]:
    """Generate an image for each prompt, the i-th from seed i."""
    pipeline = load("papercut").pipeline
    pipeline.set_progress_bar_config(disable=True)
    images: list[Image.Image] = []
    for start in tqdm(range(0, len(prompts), batch), "generation"):
        part = prompts[start : start + batch]
        seeds = [torch.Generator().manual_seed(start + i) for i in range(len(part))]
        images += pipeline(part, num_inference_steps=20, guidance_scale=5.0, generator=seeds).images
    return images


def shows(image: Image.Image, *nouns: str) -> bool:
    """Test whether the judge finds all of the nouns."""
    labels = judge.label(image)
    return all(judge.present(labels, noun) for noun in nouns)


def both_there(images: list[Image.Image], pairs: list[Pair]) -> list[bool]:
    """Test for each image whether both nouns of its pair are there."""
    return [shows(image, *pair) for image, pair in zip(images, pairs, strict=True)]


def in_colours(image: Image.Image, nouns: Sequence[str], colours: Sequence[str]) -> bool:
    """Test whether each of some nouns that are there has its colour."""
    labels = judge.label(image)
    return all(
        colour_of(image, judge.mask(labels, noun), noun) == colour
        for noun, colour in zip(nouns, colours, strict=True)
    )
