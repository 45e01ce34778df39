"""Training of the judge on rendered scenes and on their reconstructions by the autoencoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from vxa.papercut.judge import CLASSES, Judge
from vxa.papercut.scene import Scene, scene

from .loop import train
from .machine import mixed_precision, rank
from .rendering import pictures_of, to_pixels
from .trainer import Plan


def labels_of(sample: Scene) -> np.ndarray:
    """Return the class of every pixel, uint8 [256, 256]."""
    classes = np.array([CLASSES.index(thing.noun) for thing in sample.things], dtype=np.uint8)
    return np.asarray(classes[sample.labels])


def render_labelled(count: int, first: int, split: str = "train") -> tuple[Tensor, Tensor]:
    """Render consecutive seeds: pictures uint8 [count, 3, 256, 256] and classes uint8 [count, 256, 256]."""
    scenes = [scene(first + i, split) for i in tqdm(range(count), "rendering", mininterval=10)]
    return pictures_of(scenes), torch.from_numpy(np.stack([labels_of(s) for s in scenes]))


@torch.no_grad()
def reconstruct(vae: AutoencoderKL, count: int, first: int) -> tuple[Tensor, Tensor]:
    """Pass rendered train scenes through the autoencoder; shapes are those of `render_labelled`."""
    pictures, classes = render_labelled(count, first)
    decoded = []
    for picture in tqdm(pictures, "reconstructing", mininterval=10):
        with mixed_precision():
            latent = vae.encode(to_pixels(picture[None])).latent_dist.sample()
            pixels = vae.decode(latent).sample
        decoded.append(((pixels.float() + 1) * 127.5).round().clamp(0, 255).byte())
    return torch.cat(decoded), classes


def spoil(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Blur, tint and add noise to uint8 pictures, as decoding does; return float32, about in [−1, 1]."""
    x = to_pixels(pictures)
    shape = (len(x), 1, 1, 1)
    small = F.interpolate(x, scale_factor=0.5, mode="area")
    blurred = F.interpolate(small, scale_factor=2.0, mode="bilinear", align_corners=False)
    x = torch.lerp(x, blurred, torch.rand(shape, generator=generator))
    x = x * (1 + 0.08 * torch.randn(shape, generator=generator)) + 0.03 * torch.randn(
        (len(x), 3, 1, 1), generator=generator
    )
    return x + 0.05 * torch.rand(shape, generator=generator) * torch.randn(x.shape, generator=generator)


def class_weights(classes: Tensor) -> Tensor:
    """Return one weight per class, of mean 1: the inverse root of its share of the pixels [n, h, w].

    Thus small things, such as birds, count beside the sky."""
    counts = torch.bincount(classes.flatten().int(), minlength=len(CLASSES)).clamp(min=1).float()
    weights = counts.rsqrt()
    return weights / weights.mean()


def judge_loss(judge: Judge, pictures: Tensor, classes: Tensor, weights: Tensor) -> Tensor:
    """Return the cross-entropy at full size, weighted by class."""
    logits = F.interpolate(judge(pictures).float(), scale_factor=2.0, mode="bilinear", align_corners=False)
    return F.cross_entropy(logits, classes.long(), weights)


def train_judge(
    folder: Path,
    steps: int,
    scenes: int,
    seed: int,
    device: str,
    side: int = 160,
    batch: int = 8,
    rate: float = 2e-3,
    start: Judge | None = None,
    more: tuple[Tensor, Tensor] | None = None,
) -> Judge:
    """Train a judge and write it to `folder` in fp16.

    `more` are further pictures with their classes, such as reconstructions."""
    torch.manual_seed(seed)
    generator = torch.Generator()
    judge = (start or Judge()).to(device)
    pictures, classes = render_labelled(scenes, first=seed * 1_000_000 + rank() * 100_000)
    if more is not None:
        pictures, classes = torch.cat([pictures, more[0]]), torch.cat([classes, more[1]])
    weights = class_weights(classes).to(device)

    def loss_of(step: int) -> Tensor:
        generator.manual_seed((seed * 1_000_003 + step) * 64 + rank())
        index = torch.randint(0, len(pictures), (batch,), generator=generator)
        y, x = torch.randint(0, pictures.shape[-1] - side + 1, (2,), generator=generator).tolist()
        window = (..., slice(y, y + side), slice(x, x + side))
        inputs, truth = spoil(pictures[index][window], generator), classes[index][window]
        return judge_loss(judge, inputs.to(device), truth.to(device), weights)

    train(judge, Plan(steps, rate, warmup=100, average=0.995), loss_of, folder / "judge.checkpoint", device)
    if rank() == 0:
        weights_of = {k: v.half().contiguous() for k, v in judge.state_dict().items()}
        save_file(weights_of, folder / "judge.safetensors")
    return judge
