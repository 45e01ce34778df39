"""The image that a generation is heading for, as the network's last prediction has it.

    with previewing(model, guidance=5.0) as preview:
        …                                   # a pass of model.pipeline
        preview.image((256, 256))           # the image without its noise, roughly

What the network is given is the noised latent of the variance-preserving schedule under every scheduler, so
its own input and output tell the clean latent: x₀ = (x_t - √(1 - ᾱ_t) ε) / √ᾱ_t (Ho et al. 2020, eq. 15).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from vxa.models.protocol import Model

__all__ = ["Preview", "clean_latent", "previewing"]


def clean_latent(latent: Tensor, prediction: Tensor, alpha_cumprod: float, prediction_type: str) -> Tensor:
    """The latent without its noise; the network predicts "epsilon", "v_prediction" or "sample"."""
    signal, noise = math.sqrt(alpha_cumprod), math.sqrt(1 - alpha_cumprod)
    if prediction_type == "sample":
        return prediction
    if prediction_type == "v_prediction":  # Salimans & Ho 2022, appendix D
        return signal * latent - noise * prediction
    return (latent - noise * prediction) / signal


class Preview:
    """What the last pass of a generation of one image tells of it."""

    def __init__(self, model: Any, guidance: float) -> None:
        self._model, self._guidance = model, guidance
        self._thread = threading.get_ident()
        self._latent: Tensor | None = None

    def see(self, network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        """A forward hook of the network, which changes nothing."""
        if threading.get_ident() != self._thread:
            return
        given = dict(zip(("sample", "timestep"), args, strict=False)) | kwargs
        latent, timestep = given["sample"][-1:], float(torch.as_tensor(given["timestep"]).reshape(-1)[0])
        alphas = self._model.alphas_cumprod
        alpha = float(alphas[min(len(alphas) - 1, max(0, round(timestep)))])
        prediction = self._guided((output[0] if isinstance(output, tuple) else output.sample).detach())
        self._latent = clean_latent(latent.float(), prediction.float(), alpha, self._model.prediction_type)

    def _guided(self, rows: Tensor) -> Tensor:
        """diffusers puts the unconditional row first, where there is one."""
        if len(rows) == 1:
            return rows
        return rows[:1] + self._guidance * (rows[-1:] - rows[:1])

    @torch.no_grad()
    def image(self, size: tuple[int, int]) -> Image.Image:
        """The image of (height, width), decoded at half of that and enlarged: a quarter of the VAE's work."""
        assert self._latent is not None, "no pass was made yet"
        pipeline, latent = self._model.pipeline, self._latent
        vae, half = pipeline.vae, [max(1, side // 2) for side in latent.shape[-2:]]
        latent = nn.functional.interpolate(latent, half, mode="area") / vae.config.scaling_factor
        latent = latent + (getattr(vae.config, "shift_factor", None) or 0.0)
        pixels = vae.decode(latent.to(vae.dtype), return_dict=False)[0]
        picture: Image.Image = pipeline.image_processor.postprocess(pixels.float())[0]
        return picture.resize((size[1], size[0]), Image.Resampling.BICUBIC)


@contextmanager
def previewing(model: Model, guidance: float) -> Iterator[Preview]:
    """A preview that sees the passes that this thread makes in the block."""
    preview = Preview(model, guidance)
    handle = model.network.register_forward_hook(preview.see, with_kwargs=True)
    try:
        yield preview
    finally:
        handle.remove()
