"""Training of the autoencoder on crops of rendered scenes."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from .loop import train
from .networks import autoencoder
from .rendering import render, to_pixels
from .trainer import Plan

KL_WEIGHT = 5e-5


def crops(pictures: Tensor, count: int, side: int, generator: torch.Generator) -> Tensor:
    """Cut random windows, float32 [count, 3, side, side] in [−1, 1]; half of the batches are mirrored."""
    corners = torch.randint(0, pictures.shape[-1] - side + 1, (count, 2), generator=generator).tolist()
    indices = torch.randint(0, len(pictures), (count,), generator=generator).tolist()
    windows = torch.stack(
        [pictures[i, :, y : y + side, x : x + side] for i, (y, x) in zip(indices, corners, strict=True)]
    )
    if torch.rand((), generator=generator) < 0.5:
        windows = windows.flip(-1)
    return to_pixels(windows)


def reconstruction_loss(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Return the mean squared error through a sampled latent, plus a small KL term to the unit normal."""
    posterior = vae.encode(pictures).latent_dist
    decoded = vae.decode(posterior.sample()).sample
    divergence = 0.5 * (posterior.mean**2 + posterior.var - 1 - posterior.logvar).float().mean()
    return (decoded.float() - pictures).pow(2).mean() + KL_WEIGHT * divergence


def train_vae(
    folder: Path,
    steps: int,
    scenes: int,
    seed: int,
    device: str,
    rate: float = 5e-4,
    start: AutoencoderKL | None = None,
) -> AutoencoderKL:
    """Train an autoencoder on batches of eight 64×64 crops, and write it to `folder`."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    vae = (start or autoencoder()).to(device)
    pictures = render(scenes, first=seed * 1_000_000)

    def loss_of(step: int) -> Tensor:
        return reconstruction_loss(vae, crops(pictures, 8, 64, generator).to(device))

    train(vae, Plan(steps, rate, warmup=100, average=0.995), loss_of, folder / "vae.checkpoint", device)
    vae.save_pretrained(folder / "vae")
    return vae
