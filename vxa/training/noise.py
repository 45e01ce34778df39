"""Prediction of noise, the only thing that the UNet and its text encoder are trained on.

No mask, box or attention map enters the loss, so the attention learns from noise prediction alone.
"""

from __future__ import annotations

import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn

from .machine import mixed_precision
from .pool import draw

GAMMA = 1.0
"""Signal-to-noise ratio above which timesteps are drawn less often."""

DROPPED = 0.1
"""Share of captions left empty, for classifier-free guidance."""

MEASURED = (50, 200, 400, 600, 800)
"""Timesteps at which the error is measured."""

COMPARED = 600
"""Timestep at which the error with another scene's caption is measured too."""


def schedule() -> DDIMScheduler:
    """Build Stable Diffusion 1's scheduler: scaled linear, ε-prediction."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="epsilon",
    )


def timestep_chances(scheduler: DDIMScheduler) -> Tensor:
    """Return the probability of each timestep [1000].

    Half is uniform, half in proportion to min(SNR, γ) / SNR, the weight of Hang et al. 2023
    (arXiv:2303.09556). Otherwise the noise of nearly clean latents, which depends little on the prompt, would
    dominate the gradient."""
    ratio = scheduler.alphas_cumprod / (1 - scheduler.alphas_cumprod)
    weights = ratio.clamp(max=GAMMA) / ratio
    return 0.5 * weights / weights.sum() + 0.5 / len(weights)


def noise_loss(
    networks: nn.ModuleDict, latents: Tensor, ids: Tensor, scheduler: DDIMScheduler, cumulative: Tensor
) -> Tensor:
    """Return the error at timesteps drawn by their cumulated chances [1000], all on one device."""
    timesteps = draw(cumulative, len(latents))
    return noise_error(networks, latents, ids, scheduler, timesteps, torch.randn_like(latents))


def noise_error(
    networks: nn.ModuleDict,
    latents: Tensor,
    ids: Tensor,
    scheduler: DDIMScheduler,
    timesteps: Tensor,
    noise: Tensor,
) -> Tensor:
    """Return the mean squared error of the noise that is predicted for scaled latents [n, 4, h, w]."""
    noisy = scheduler.add_noise(latents, noise, timesteps)
    states = networks["text_encoder"](ids)[0]
    predicted = networks["unet"](noisy, timesteps, states, return_dict=False)[0]
    return (predicted.float() - noise).pow(2).mean()


@torch.no_grad()
def noise_errors(
    networks: nn.ModuleDict, latents: Tensor, ids: Tensor, scheduler: DDIMScheduler
) -> dict[str, float]:
    """Return the error at each timestep of `MEASURED`, with the same noise at every call.

    At `COMPARED` it is measured also with the caption of the scene before: what a caption is worth."""

    def error(captions: Tensor, timestep: int) -> float:
        generator = torch.Generator(latents.device).manual_seed(timestep)
        noise = torch.randn(latents.shape, device=latents.device, generator=generator)
        timesteps = torch.full((len(latents),), timestep, device=latents.device)
        with mixed_precision(latents.device.type):
            found = noise_error(networks, latents, captions, scheduler, timesteps, noise)
        return round(float(found), 4)

    errors = {f"error at {timestep}": error(ids, timestep) for timestep in MEASURED}
    return {**errors, f"error at {COMPARED} of a wrong caption": error(ids.roll(1, 0), COMPARED)}
