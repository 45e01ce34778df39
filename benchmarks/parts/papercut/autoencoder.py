"""How well the autoencoder gives scenes back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from vxa import load
from vxa.papercut import judge, scene
from vxa.study.metrics import bootstrap


def autoencoder(scale: float) -> dict[str, Any]:
    """PSNR of reconstructions at 256²."""
    vae = load("papercut").pipeline.vae
    scores = []
    for seed in tqdm(range(round(100 * scale)), "autoencoder"):
        pixels = judge.to_tensor(scene(seed, "test").image)
        error = (reconstructed(vae, pixels).clamp(-1, 1) - pixels).pow(2).mean()
        scores.append(float(10 * torch.log10(4 / error)))
    return {"scenes": len(scores), "psnr_db": bootstrap(scores)}


@torch.no_grad()
def reconstructed(vae: Any, pixels: Tensor) -> Tensor:
    """Pixels [3, h, w] in [−1, 1] as the autoencoder gives them back, from the posterior's mode."""
    return vae.decode(vae.encode(pixels[None]).latent_dist.mode()).sample[0]
