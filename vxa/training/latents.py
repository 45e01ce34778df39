"""Training data of the UNet, encoded once and saved: latents, captions and the place of each thing."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from vxa.papercut.judge import to_tensor
from vxa.papercut.nouns import FLOORS
from vxa.papercut.parse import Node, read_off
from vxa.papercut.phrases import MASS, adjectives_of, article, coordinate, enumeration
from vxa.papercut.scene import Scene, scene

from .loop import mixed_precision

GRID = 32
CROP = 16


@dataclass(frozen=True)
class Latents:
    """Encoded scenes with their captions.

    `latents` are [n, 4, 32, 32], unscaled. `covers` are uint8 [things, 32, 32], 255 where a thing fills a
    cell; the rows of scene i begin at `first[i]`. `things` holds (noun, colour, pattern) per scene.
    The pictures are not saved: `scene` draws them again from their seeds."""

    latents: Tensor
    covers: Tensor
    first: Tensor
    captions: list[str]
    things: list[list[tuple[str, str, str]]]


@torch.no_grad()
def make_latents(vae: AutoencoderKL, first: int, count: int, path: Path, batch: int = 4) -> None:
    """Render and encode the train scenes of consecutive seeds, and write them to `path`."""
    latents, covers, counts, texts = [], [], [], []
    for start in tqdm(range(first, first + count, batch), "encoding", mininterval=20):
        scenes = [scene(seed, "train") for seed in range(start, min(start + batch, first + count))]
        with mixed_precision():
            encoded = vae.encode(torch.stack([to_tensor(s.image) for s in scenes])).latent_dist.mode()
        latents.append(encoded.half())
        covers += [_cover(s) for s in scenes]
        counts += [len(s.things) for s in scenes]
        texts += [
            "\t".join([s.caption, *(f"{t.noun}|{t.colour}|{t.pattern}" for t in s.things)]) for s in scenes
        ]
    blob = torch.frombuffer(bytearray("\n".join(texts).encode()), dtype=torch.uint8)
    save_file(
        {
            "latents": torch.cat(latents).contiguous(),
            "covers": torch.cat(covers),
            "counts": torch.tensor(counts),
            "texts": blob,
        },
        path,
    )


def _cover(sample: Scene) -> Tensor:
    masks = torch.from_numpy(np.stack([t.mask for t in sample.things])).float()
    return (torch.nn.functional.avg_pool2d(masks[None], 256 // GRID)[0] * 255).byte()


def read_latents(paths: list[Path]) -> Latents:
    """Read files of `make_latents`, joined in the order of `paths`."""
    parts = [load_file(path) for path in paths]
    counts = torch.cat([p["counts"] for p in parts])
    lines = [line.split("\t") for p in parts for line in bytes(p["texts"].numpy()).decode().split("\n")]
    things = [[tuple(t.split("|")) for t in line[1:]] for line in lines]
    return Latents(
        torch.cat([p["latents"] for p in parts]),
        torch.cat([p["covers"] for p in parts]),
        counts.cumsum(0) - counts,
        [line[0] for line in lines],
        things,  # type: ignore[arg-type]
    )


def crop_caption(things: list[tuple[str, str, str]], cover: Tensor, rng: random.Random) -> str:
    """Describe the things in a window.

    `cover` [things, 2] holds, per thing, the share of it inside the window and the share of the window that
    it fills. A thing is named if at least half of it is inside or it fills 0.35 of the window; a ground, with
    chance 0.6, if it fills 0.15. Nothing that fills less than 0.015 is named."""
    nodes = []
    for (noun, colour, pattern), (inside, fills) in zip(things, cover.tolist(), strict=True):
        ground = _is_ground(noun)
        if (
            fills < 0.015
            or (ground and (fills < 0.15 or rng.random() < 0.4))
            or (not ground and inside < 0.5 and fills < 0.35)
        ):
            continue
        nodes.append(_phrase(noun, colour, pattern, ground, rng))
    return _listing(nodes, rng)


def partial_caption(things: list[tuple[str, str, str]], rng: random.Random) -> str:
    """Describe one or two of a scene's things, chosen by chance."""
    subset = rng.sample(things, min(len(things), rng.choice((1, 1, 2))))
    return _listing([_phrase(*thing, _is_ground(thing[0]), rng) for thing in subset], rng)


def _is_ground(noun: str) -> bool:
    return noun in ("sky", "night", "wall", *FLOORS)


def _listing(nodes: list[Node], rng: random.Random) -> str:
    """Join the phrases in random order, as a comma list or with articles and "and"."""
    if not nodes:
        return ""
    rng.shuffle(nodes)
    if rng.random() < 0.5:
        return read_off(enumeration(nodes)).caption
    for node in nodes:
        if node.form not in MASS:
            node.before.insert(0, article("a", [*(n.form for n in node.before), node.form][0]))
    return read_off(coordinate(nodes, commas=rng.random() < 0.7)).caption


def _phrase(noun: str, colour: str, pattern: str, ground: bool, rng: random.Random) -> Node:
    words = adjectives_of(noun, colour, pattern, ground, rng)
    return Node(noun, "NOUN", before=[Node(word, "ADJ", "amod") for word in words])
