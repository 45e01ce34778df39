"""Training of the autoencoder, on crops of rendered scenes and to the end on whole ones."""

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
"""About the standard deviation of the trained posterior."""


def render(count: int, first: int = 0, split: str = "train") -> Tensor:
    """uint8 [count, 3, 256, 256]: the pictures of consecutive seeds."""
    pictures = [
        np.asarray(scene(first + i, split).image) for i in tqdm(range(count), "rendering", mininterval=10)
    ]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def crops(pictures: Tensor, count: int, side: int, generator: torch.Generator) -> Tensor:
    """float32 [count, 3, side, side] in [−1, 1]: random windows, mirrored half of the time."""
    corners = torch.randint(0, pictures.shape[-1] - side + 1, (count, 2), generator=generator).tolist()
    chosen = torch.randint(0, len(pictures), (count,), generator=generator).tolist()
    windows = torch.stack(
        [pictures[i, :, y : y + side, x : x + side] for i, (y, x) in zip(chosen, corners, strict=True)]
    )
    if torch.rand((), generator=generator) < 0.5:
        windows = windows.flip(-1)
    return windows.float() / 127.5 - 1


def reconstruction_loss(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Mean squared error after a sampled latent, with a light pull of the posterior to the unit normal."""
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
    """A trained autoencoder, written to `folder`: batches of eight 64×64 crops."""
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
    """The autoencoder with its decoder trained on, on whole pictures [n, 3, 256, 256] and their latents.

    The encoder stays, and so do the latents that a UNet was trained on. Whole pictures, because a group
    norm's statistics on a crop are not those of the picture it is cut from."""
    torch.manual_seed(seed)
    vae.to(device).encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)

    def loss_of(step: int) -> Tensor:
        chosen = torch.randint(0, len(pictures), (1,))
        latent = latents[chosen].float()
        decoded = vae.decode((latent + POSTERIOR_SPREAD * torch.randn_like(latent)).to(device)).sample
        return (decoded.float() - (pictures[chosen].float() / 127.5 - 1).to(device)).pow(2).mean()

    train(vae, Plan(steps, rate, warmup=20, average=0.98), loss_of, folder / "decoder.checkpoint", device)
    vae.save_pretrained(folder / "vae")
    return vae
