"""Inversion of a real image: the latents from which, and through which, the model makes it again.

    trajectory = invert("papercut", "photo.png", "a red hat", method="direct")
    generate("papercut", "a red hat", controls=[FromTrajectory(trajectory)])

    ddim           the deterministic sampler run backwards, without guidance (Song et al. 2021)
    direct         the same; a generation puts the source back on it after each step (Ju et al. 2023, Direct
                   Inversion, whose step adds what is missing)
    null-text      the same, and a negative context for each step (Mokady et al. 2023)
    edit-friendly  the image with noise of its own at each level, and the noise that each step must add to
                   lead from one to the next (Huberman-Spiegelglas et al. 2023, An Edit Friendly DDPM Noise
                   Space)

The levels are those of the pipeline's own DDIM scheduler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vxa.errors import ModelError, SettingError
from vxa.io.images import ImageSource, read_image
from vxa.models import load
from vxa.models.chunks import pad_context
from vxa.models.protocol import Conditioning
from vxa.steering.ddim import DdimStep, ddim_steps
from vxa.steering.null_text import null_contexts
from vxa.steering.trajectory import Trajectory
from vxa.tracing.ddim_inversion import mix
from vxa.tracing.settings import InversionSettings
from vxa.tracing.visualize import check_prompt, prepare

__all__ = ["invert"]


def invert(
    source: object,
    image: ImageSource,
    prompt: str,
    *,
    method: str = InversionSettings.method,
    steps: int = InversionSettings.steps,
    guidance: float = InversionSettings.guidance,
    seed: int = InversionSettings.seed,
    iterations: int = InversionSettings.iterations,
    max_side: int = InversionSettings.max_side,
    on_step: Callable[[], object] = lambda: None,
) -> Trajectory:
    """Invert an image that a prompt describes.

    Args:
        source: a pipeline with a DDIM scheduler, a model with one, or what `vxa.load` takes.
        image: a path, a PIL image or an array, of any size.
        prompt: what the image shows.
        method, steps, guidance, seed, iterations, max_side: see `InversionSettings`.
        on_step: called after each step, of null-text twice; what it raises ends the inversion.

    Raises:
        SettingError, ImageError, PromptError: a bad argument.
        ModelError: the source is no model, or one without a pipeline or a DDIM scheduler.
    """
    settings = InversionSettings(method, steps, guidance, seed, iterations, max_side)
    _check(settings)
    model: Any = load(source)
    if getattr(model, "pipeline", None) is None:
        raise ModelError(f"the model {model.name} has no pipeline to invert for; give a diffusers pipeline")
    check_prompt(model, prompt)
    path = ddim_steps(model.pipeline.scheduler, settings.steps)
    pixels, _, extent = prepare(read_image(image), settings.max_side, model.multiple)
    with torch.no_grad():
        latent = model.encode_image(pixels)
        inversion = _Inversion.of(
            model, prompt, (pixels.shape[-2], pixels.shape[-1]), path, settings, on_step
        )
        latents, parts = _METHODS[settings.method](inversion, latent)
    levels = tuple(step.timestep for step in path)
    return Trajectory(
        prompt, torch.cat(list(latents)), levels, settings.method, settings.guidance, extent, **parts
    )


def _check(settings: InversionSettings) -> None:
    """Raise SettingError for a setting that the method cannot follow."""
    if settings.method == "null-text" and settings.guidance <= 1:
        raise SettingError(
            f"guidance {settings.guidance:g} reads no negative prompt that null-text could change; give a "
            "guidance above 1, or another method"
        )
    if settings.method == "edit-friendly" and settings.iterations:
        raise SettingError(
            f"iterations {settings.iterations} are of steps back, and edit-friendly takes none; omit them"
        )


@dataclass(frozen=True, eq=False)
class _Inversion:
    """A model and a prompt, with the steps between which an image is inverted."""

    model: Any
    own: Conditioning
    empty: Conditioning
    path: tuple[DdimStep, ...]
    settings: InversionSettings
    on_step: Callable[[], object]

    @classmethod
    def of(cls, model: Any, prompt: str, size: tuple[int, int], *rest: Any) -> _Inversion:
        """Encode the prompt, and the empty one at its length."""
        own, empty = (model.encode_prompt(text, size) for text in (prompt, ""))
        context = pad_context(empty.context, empty.context, own.context.shape[1])
        return cls(model, own, replace(empty, context=context), *rest)

    def predict(self, latent: Tensor, timestep: int, conditioning: Conditioning) -> Tensor:
        """Return the network's prediction, float32 on the CPU."""
        prediction: Tensor = self.model.denoise(latent, timestep, conditioning).float().cpu()
        return prediction

    def predict_guided(self, latent: Tensor, timestep: int) -> Tensor:
        """Return the prediction with guidance."""
        own = self.predict(latent, timestep, self.own)
        if self.settings.guidance <= 1:
            return own
        negative = self.predict(latent, timestep, self.empty)
        return negative + self.settings.guidance * (own - negative)


Found = tuple[Sequence[Tensor], dict[str, Tensor]]


def _invert_ddim(inversion: _Inversion, latent: Tensor) -> Found:
    latents = [latent]
    for step in reversed(inversion.path):
        upper = latents[-1]
        for _ in range(1 + inversion.settings.iterations):
            prediction = inversion.predict(upper, step.timestep, inversion.own)
            upper = step.up(latents[-1], prediction, upper)
        latents.append(upper)
        inversion.on_step()
    return latents, {}


def _invert_null_text(inversion: _Inversion, latent: Tensor) -> Found:
    latents, _ = _invert_ddim(inversion, latent)
    own, empty = inversion.own, inversion.empty

    def predict(latent: Tensor, timestep: int, context: Tensor) -> Tensor:
        conditioning = own if context is own.context else replace(empty, context=context)
        return inversion.predict(latent, timestep, conditioning)

    contexts = null_contexts(
        latents, inversion.path, inversion.settings.guidance, (own.context, empty.context), predict,
        inversion.on_step,
    )  # fmt: skip
    return latents, {"contexts": contexts}


def _invert_edit_friendly(inversion: _Inversion, latent: Tensor) -> Found:
    generator = torch.Generator().manual_seed(inversion.settings.seed)
    latents = [latent]
    for step in reversed(inversion.path):
        latents.append(mix(latent, torch.randn(latent.shape, generator=generator), step.alpha))
    noises = []
    for step, noised, lower in zip(
        inversion.path, reversed(latents[1:]), reversed(latents[:-1]), strict=True
    ):
        noises.append(lower - step.mean(noised, inversion.predict_guided(noised, step.timestep)))
        inversion.on_step()
    return latents, {"noises": torch.cat(noises)}


_METHODS: dict[str, Callable[[_Inversion, Tensor], Found]] = {
    "ddim": _invert_ddim,
    "direct": _invert_ddim,
    "null-text": _invert_null_text,
    "edit-friendly": _invert_edit_friendly,
}
