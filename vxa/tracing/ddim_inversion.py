"""DDIM inversion: the deterministic sampler run backwards, from an image's latent towards noise.

Each step goes to the next higher noise level by eq. 14 of Song et al. 2021 (Denoising Diffusion Implicit
Models) without its noise term: z' = √ᾱ' x̂₀ + √(1 - ᾱ') ε̂. x̂₀ and ε̂ come from the network's prediction at the
lower level, without guidance. The latents are those that the same sampler would pass on its way down, up to
the error of using the prediction at the lower level for the whole step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from vxa.errors import ModelError

__all__ = ["Split", "ddim_levels", "ddim_trajectory", "find_split", "mix"]


def ddim_levels(timesteps: int, steps: int) -> tuple[int, ...]:
    """Return the noise levels of `steps` steps, both ends included, evenly from 0 to the last, each once."""
    levels = torch.linspace(0, timesteps - 1, steps + 1).round().to(torch.int64)
    return tuple(dict.fromkeys(levels.tolist()))


def ddim_trajectory(
    latent: Tensor,
    levels: tuple[int, ...],
    alphas_cumprod: Tensor,
    prediction_type: str,
    denoise: Callable[[Tensor, int], Tensor],
) -> Iterator[Tensor]:
    """Yield the latent at each level in turn; the first is the image's own.

    `denoise(latent, timestep)` returns the network's raw prediction. It is called at all levels but the last.
    """
    split = find_split(prediction_type)
    alphas = [float(alphas_cumprod[level]) for level in levels]
    yield latent
    for level, alpha, following in zip(levels, alphas, alphas[1:], strict=False):
        prediction = denoise(latent, level).float().cpu()
        image, noise = split(latent, prediction, alpha**0.5, (1 - alpha) ** 0.5)
        latent = mix(image, noise, following)
        yield latent


def mix(image: Tensor, noise: Tensor, alpha: float) -> Tensor:
    """Return the latent of a clean image and its noise at a level of ᾱ: √ᾱ image + √(1 - ᾱ) noise."""
    mixture: Tensor = alpha**0.5 * image + (1 - alpha) ** 0.5 * noise
    return mixture


Split = Callable[[Tensor, Tensor, float, float], tuple[Tensor, Tensor]]


def find_split(prediction_type: str) -> Split:
    """Return the function that splits a latent, given its prediction, into clean image and noise.

    It takes the latent, the prediction, √ᾱ and √(1 - ᾱ).
    """
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
