"""Latents of images by diffusers' autoencoders, and back: AutoencoderKL, and those of its shape (TAESD)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from vxa.errors import ModelError
from vxa.models.protocol import pixels_for

__all__ = ["encode_mode", "scale_latent", "upcast"]


@torch.no_grad()
def encode_mode(vae: Any, pixels: Tensor, device: torch.device) -> Tensor:
    """Return the mode of the posterior [n, c, h, w], not scaled, float32 on the CPU.

    Raises:
        ModelError: the autoencoder gives no latent.
    """
    with upcast(vae) as dtype:
        return _mode_of(vae.encode(pixels_for(device, pixels, dtype))).float().cpu()


@contextmanager
def upcast(vae: Any) -> Iterator[torch.dtype]:
    """Yield the precision of the autoencoder's input, which is float32 in this block where fp16 overflows.

    SDXL's own VAE overflows in fp16 and says so (`force_upcast`); diffusers' pipelines upcast it too.
    """
    dtype = vae.dtype
    if dtype != torch.float16 or not getattr(vae.config, "force_upcast", None):
        yield dtype
        return
    try:
        nn.Module.to(vae, dtype=torch.float32)  # the VAE's own `to` warns each time
        yield torch.float32
    finally:
        nn.Module.to(vae, dtype=dtype)


def scale_latent(latent: Tensor, config: Any) -> Tensor:
    """Return the latent on the UNet's scale; some SDXL VAEs have a mean and deviation for each channel."""
    mean, deviation = (getattr(config, f"latents_{name}", None) for name in ("mean", "std"))
    if mean is not None and deviation is not None:
        latent = (latent - torch.tensor(mean).view(1, -1, 1, 1)) / torch.tensor(deviation).view(1, -1, 1, 1)
    return latent * float(config.scaling_factor)


def _mode_of(encoded: Any) -> Tensor:
    """Return the mode of an encoder's posterior, or the latent of one that gives no posterior (TAESD)."""
    posterior = getattr(encoded, "latent_dist", None)
    mode: Tensor | None = getattr(encoded, "latents", None) if posterior is None else posterior.mode()
    if mode is None:
        raise ModelError(f"the VAE gives a {type(encoded).__name__} without a latent; set an AutoencoderKL")
    return mode
