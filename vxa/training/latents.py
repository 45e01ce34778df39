"""Training data of the UNet, encoded once and saved: latents, captions and the place of each thing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from vxa.papercut.scene import Scene, scene

from .captions import Thing
from .machine import mixed_precision
from .rendering import pictures_of, to_pixels

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
    things: list[list[Thing]]


def make_latents(vae: AutoencoderKL, first: int, count: int, path: Path, batch: int = 4) -> None:
    """Render and encode the train scenes of consecutive seeds, and write them to `path`."""
    latents, covers, counts, texts = [], [], [], []
    for start in tqdm(range(first, first + count, batch), "encoding", mininterval=20):
        scenes = [scene(seed, "train") for seed in range(start, min(start + batch, first + count))]
        latents.append(encode(vae, to_pixels(pictures_of(scenes))))
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


@torch.no_grad()
def encode(vae: AutoencoderKL, pixels: Tensor) -> Tensor:
    """Return the unscaled latents of pixels in [−1, 1], fp16 [n, 4, h/8, w/8]: the most likely ones."""
    with mixed_precision(pixels.device.type):
        return vae.encode(pixels).latent_dist.mode().half()


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
