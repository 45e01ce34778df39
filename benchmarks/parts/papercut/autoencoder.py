"""Reconstruction error of the autoencoder on scenes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from vxa import load
from vxa.papercut import judge, scene
from vxa.study.metrics import bootstrap


def measure(scale: float) -> dict[str, Any]:
    """Return the PSNR of reconstructions at 256², in dB, with its interval."""
    vae = load("papercut").pipeline.vae
    scores = []
    for seed in tqdm(range(round(100 * scale)), "autoencoder"):
        pixels = judge.to_tensor(scene(seed, "test").image)
        error = (reconstruct(vae, pixels).clamp(-1, 1) - pixels).pow(2).mean()
        scores.append(float(10 * torch.log10(4 / error)))
    return {"scenes": len(scores), "psnr_db": bootstrap(scores)}


@torch.no_grad()
def reconstruct(vae: Any, pixels: Tensor) -> Tensor:
    """Encode pixels [3, h, w] in [−1, 1], and decode them from the posterior's mode."""
    return vae.decode(vae.encode(pixels[None]).latent_dist.mode()).sample[0]
