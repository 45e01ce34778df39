"""An image followed backwards through a deterministic sampler, from its latent towards noise.

Song et al. 2021 (Denoising Diffusion Implicit Models), eq. 14 without its noise, from each level to the next
higher one: z' = √ᾱ' x̂₀ + √(1 - ᾱ') ε̂, with x̂₀ and ε̂ from the network's prediction at the lower level and
without guidance. What it passes are the latents that the same sampler would come down by, up to the error of
taking the prediction at the lower level for the step's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from vxa.errors import ModelError

__all__ = ["ddim_levels", "ddim_trajectory"]


def ddim_levels(timesteps: int, steps: int) -> tuple[int, ...]:
    """The noise levels of `steps` passes and the one they end at, evenly from 0 to the last, each once."""
    levels = torch.linspace(0, timesteps - 1, steps + 1).round().to(torch.int64)
    return tuple(dict.fromkeys(levels.tolist()))


def ddim_trajectory(
    latent: Tensor,
    levels: tuple[int, ...],
    alphas_cumprod: Tensor,
    prediction_type: str,
    denoise: Callable[[Tensor, int], Tensor],
) -> Iterator[Tensor]:
    """The latent at each of the levels in turn, the first being that of the image itself.

    `denoise(latent, timestep)` gives the network's raw prediction; it is called for all levels but the last.
    """
    split = _split(prediction_type)
    alphas = [float(alphas_cumprod[level]) for level in levels]
    yield latent
    for level, alpha, following in zip(levels, alphas, alphas[1:], strict=False):
        prediction = denoise(latent, level).float().cpu()
        image, noise = split(latent, prediction, alpha**0.5, (1 - alpha) ** 0.5)
        latent = following**0.5 * image + (1 - following) ** 0.5 * noise
        yield latent


Split = Callable[[Tensor, Tensor, float, float], tuple[Tensor, Tensor]]


def _split(prediction_type: str) -> Split:
    """How a prediction and its latent become the image and the noise that the network sees in it."""
    if prediction_type not in _SPLITS:
        raise ModelError(
            f"the model predicts {prediction_type!r}, and inversion knows {', '.join(_SPLITS)}; "
            "attribute with matched noise instead"
        )
    return _SPLITS[prediction_type]


def _from_epsilon(latent: Tensor, noise: Tensor, signal: float, deviation: float) -> tuple[Tensor, Tensor]:
    return (latent - deviation * noise) / max(signal, 1e-6), noise


def _from_velocity(
    latent: Tensor, velocity: Tensor, signal: float, deviation: float
) -> tuple[Tensor, Tensor]:
    return signal * latent - deviation * velocity, signal * velocity + deviation * latent


def _from_sample(latent: Tensor, image: Tensor, signal: float, deviation: float) -> tuple[Tensor, Tensor]:
    return image, (latent - signal * image) / max(deviation, 1e-6)


_SPLITS: dict[str, Split] = {
    "epsilon": _from_epsilon,
    "v_prediction": _from_velocity,
    "sample": _from_sample,
}
