"""Previews of a generation: the finished image as the network's last prediction estimates it.

    with previewing(model) as preview:
        …                                   # a pass of model.pipeline
        preview.image((256, 256))           # an estimate of the denoised image

Under every scheduler, the network's input is the noised latent of the variance-preserving schedule. So its
input and output give the clean latent: x₀ = (x_t - √(1 - ᾱ_t) ε) / √ᾱ_t (Ho et al. 2020, eq. 15).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from vxa.models.image_encoder import upcast
from vxa.models.pipeline_session import CallListener, TakenStep, listen
from vxa.models.protocol import Model

__all__ = ["Preview", "clean_latent", "previewing"]


def clean_latent(latent: Tensor, prediction: Tensor, alpha_cumprod: float, prediction_type: str) -> Tensor:
    """Return the denoised latent. `prediction_type` is "epsilon", "v_prediction" or "sample"."""
    signal, noise = math.sqrt(alpha_cumprod), math.sqrt(1 - alpha_cumprod)
    if prediction_type == "sample":
        return prediction
    if prediction_type == "v_prediction":  # Salimans & Ho 2022, appendix D
        return signal * latent - noise * prediction
    return (latent - noise * prediction) / signal


class Preview(CallListener):
    """Estimate of the image from the last step of its generation (the first image of a batch)."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._step: TakenStep | None = None

    def after_step(self, step: TakenStep) -> None:
        """Keep the step: what its pass read, and the prediction under the guidance that was applied."""
        if step.inputs is not None:
            self._step = step

    @property
    def latent(self) -> Tensor | None:
        """Clean latent that the last step leads to; None before the first. ModelError without ᾱ."""
        step = self._step
        if step is None or step.inputs is None:
            return None
        alphas = self._model.alphas_cumprod
        alpha = float(alphas[min(len(alphas) - 1, max(0, round(step.timestep)))])
        prediction = step.prediction[:1].detach().float()
        latent = step.inputs[:, : prediction.shape[1]].float()
        return clean_latent(latent, prediction, alpha, self._model.prediction_type)

    @torch.no_grad()
    def image(self, size: tuple[int, int]) -> Image.Image:
        """Return the image at (height, width), decoded at half size and enlarged: a quarter of the work."""
        pipeline, latent = self._model.pipeline, self.latent
        assert latent is not None, "no step was made yet"
        vae, half = pipeline.vae, [max(1, side // 2) for side in latent.shape[-2:]]
        latent = nn.functional.interpolate(latent, half, mode="area") / vae.config.scaling_factor
        latent = latent + (getattr(vae.config, "shift_factor", None) or 0.0)
        with upcast(vae) as dtype:
            pixels = vae.decode(latent.to(dtype), return_dict=False)[0]
        picture: Image.Image = pipeline.image_processor.postprocess(pixels.float())[0]
        return picture.resize((size[1], size[0]), Image.Resampling.BICUBIC)


@contextmanager
def previewing(model: Model) -> Iterator[Preview]:
    """Yield a preview that is updated by the steps of this thread in the block."""
    preview = Preview(model)
    with listen(model, preview):
        yield preview
