"""Steps of a DDIM scheduler, as the pipeline's own scheduler takes them, and back.

Song et al., "Denoising Diffusion Implicit Models" (2021), eq. 12 and 16: a step splits the latent into clean
image and noise, and mixes them at the next lower level. The way back needs the prediction at its end, which
is what it looks for: first it takes that of the lower latent, as null-text inversion's code does, then that
of what was found (Pan et al. 2023, Effective Real Image Editing with Accelerated Iterative Diffusion
Inversion).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from vxa.errors import ModelError
from vxa.models.schedule import read_alphas, read_prediction_type
from vxa.tracing.ddim_inversion import Split, find_split, mix

__all__ = ["DdimStep", "ddim_steps"]


@dataclass(frozen=True)
class DdimStep:
    """A step from one noise level to the next lower one.

    Attributes:
        timestep: the level that the network is told.
        alpha: ᾱ of that level.
        following: ᾱ of the level that the step leads to.
        split: splits a latent, given the network's prediction, into clean image and noise.
    """

    timestep: int
    alpha: float
    following: float
    split: Split

    def down(self, latent: Tensor, prediction: Tensor) -> Tensor:
        """Return the latent that the scheduler's step leads to."""
        return mix(*self._parts(latent, prediction), self.following)

    def up(self, latent: Tensor, prediction: Tensor, seen: Tensor) -> Tensor:
        """Return the latent from which the step leads to this one, if the prediction there is this one.

        `seen` is the latent that the prediction was made of; it is exact where that is the result.
        """
        _, noise = self._parts(seen, prediction)
        image = (latent - (1 - self.following) ** 0.5 * noise) / self.following**0.5
        return mix(image, noise, self.alpha)

    def mean(self, latent: Tensor, prediction: Tensor) -> Tensor:
        """Return the mean of the latents that the step leads to when it draws noise (η = 1, as DDPM's)."""
        image, noise = self._parts(latent, prediction)
        variance = (1 - self.following) / (1 - self.alpha) * (1 - self.alpha / self.following)
        mean: Tensor = self.following**0.5 * image + max(1 - self.following - variance, 0.0) ** 0.5 * noise
        return mean

    def _parts(self, latent: Tensor, prediction: Tensor) -> tuple[Tensor, Tensor]:
        return self.split(latent, prediction, self.alpha**0.5, (1 - self.alpha) ** 0.5)


def ddim_steps(scheduler: Any, steps: int) -> tuple[DdimStep, ...]:
    """Return the steps that a scheduler of its kind and settings takes, from the highest level down.

    Raises ModelError for a scheduler that is not DDIM's, or that clips the clean image.
    """
    _check(scheduler)
    alphas, split = read_alphas(scheduler), find_split(read_prediction_type(scheduler))
    own = type(scheduler).from_config(scheduler.config)
    trained = int(own.config.num_train_timesteps)
    if steps > trained:
        raise ModelError(f"the scheduler has {trained} levels, too few for {steps} steps; give fewer steps")
    own.set_timesteps(steps)
    found = []
    for timestep in own.timesteps.tolist():
        lower = timestep - trained // own.num_inference_steps  # as DDIMScheduler.step has it
        following = alphas[lower] if lower >= 0 else own.final_alpha_cumprod
        found.append(DdimStep(timestep, float(alphas[timestep]), float(following), split))
    return tuple(found)


def _check(scheduler: Any) -> None:
    """Raise ModelError unless the scheduler is DDIM's and its steps can be reversed."""
    options = getattr(scheduler, "config", {})
    clips = options.get("clip_sample") or options.get("thresholding")
    if any(each.__name__ == "DDIMScheduler" for each in type(scheduler).__mro__) and not clips:
        return
    found = f"the scheduler {type(scheduler).__name__}" + (" clips the image, and" if clips else "")
    raise ModelError(
        f"{found} cannot follow an inversion; set pipeline.scheduler = diffusers.DDIMScheduler.from_config("
        "pipeline.scheduler.config, clip_sample=False, thresholding=False)"
    )
