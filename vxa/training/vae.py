"""Training of the autoencoder on crops of rendered scenes, and of its decoder on whole ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from tqdm import tqdm

from vxa.papercut.scene import scene

from .loop import Plan, train
from .networks import autoencoder

KL_WEIGHT = 5e-5
POSTERIOR_SPREAD = 0.04
"""Approximate standard deviation of the trained posterior."""


def render(count: int, first: int = 0, split: str = "train") -> Tensor:
    """Render the pictures of consecutive seeds, uint8 [count, 3, 256, 256]."""
    pictures = [
        np.asarray(scene(first + i, split).image) for i in tqdm(range(count), "rendering", mininterval=10)
    ]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def crops(pictures: Tensor, count: int, side: int, generator: torch.Generator) -> Tensor:
    """Cut random windows, float32 [count, 3, side, side] in [−1, 1]; half of the batches are mirrored."""
    corners = torch.randint(0, pictures.shape[-1] - side + 1, (count, 2), generator=generator).tolist()
    indices = torch.randint(0, len(pictures), (count,), generator=generator).tolist()
    windows = torch.stack(
        [pictures[i, :, y : y + side, x : x + side] for i, (y, x) in zip(indices, corners, strict=True)]
    )
    if torch.rand((), generator=generator) < 0.5:
        windows = windows.flip(-1)
    return windows.float() / 127.5 - 1


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


def train_decoder(
    folder: Path,
    vae: AutoencoderKL,
    pictures: Tensor,
    latents: Tensor,
    steps: int,
    seed: int,
    device: str,
    rate: float = 2e-4,
) -> AutoencoderKL:
    """Train the decoder further, on whole pictures [n, 3, 256, 256] and their latents.

    The encoder is frozen, so the latents that a UNet was trained on stay valid. Pictures are whole because a
    group norm's statistics on a crop differ from those of the picture it is cut from."""
    torch.manual_seed(seed)
    vae.to(device).encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)

    def loss_of(step: int) -> Tensor:
        index = torch.randint(0, len(pictures), (1,))
        latent = latents[index].float()
        decoded = vae.decode((latent + POSTERIOR_SPREAD * torch.randn_like(latent)).to(device)).sample
        return (decoded.float() - (pictures[index].float() / 127.5 - 1).to(device)).pow(2).mean()

    train(vae, Plan(steps, rate, warmup=20, average=0.98), loss_of, folder / "decoder.checkpoint", device)
    vae.save_pretrained(folder / "vae")
    return vae
