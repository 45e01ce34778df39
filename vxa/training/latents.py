"""Scenes as the UNet's training sees them: latents, captions, and where each thing is, made once and kept."""

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
    """`latents` [n, 4, 32, 32], unscaled; `covers` uint8 [things, 32, 32], 255 where a thing fills a cell;
    `first[i]` is scene i's first row in `covers`. The scenes can be made again from their seeds."""

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


def _cover(shown: Scene) -> Tensor:
    masks = torch.from_numpy(np.stack([t.mask for t in shown.things])).float()
    return (torch.nn.functional.avg_pool2d(masks[None], 256 // GRID)[0] * 255).byte()


def read_latents(paths: list[Path]) -> Latents:
    """What `make_latents` wrote, several files as one."""
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
    """What a window shows, in words: every thing at least half of which lies in it, and some grounds.

    `cover` [things, 2] holds, per thing, the share of it that lies in the window and the share of the
    window it fills."""
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
    """One or two of a scene's things in words, as if the rest were not worth a word."""
    chosen = rng.sample(things, min(len(things), rng.choice((1, 1, 2))))
    return _listing([_phrase(*thing, _is_ground(thing[0]), rng) for thing in chosen], rng)


def _is_ground(noun: str) -> bool:
    return noun in ("sky", "night", "wall", *FLOORS)


def _listing(nodes: list[Node], rng: random.Random) -> str:
    """The phrases in any order, as a comma list or as a sentence."""
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
