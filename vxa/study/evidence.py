"""Evidence of a picture: its recorded passes, each computed once and shared by all methods.

    one_pass    one pass on the picture: `vxa.visualize` with its defaults
    untrained   the same pass of an untrained network
    clean       one pass without noise, at timestep 1: read by the original extension
    dimmed      the same with pixels in [0, 1], as that extension feeds its encoder
    noised      the mean of passes on the picture with noise of several levels: `vxa.attribute`
    inverted    the mean of passes along the picture's DDIM inversion
    trace       the mean of a generated picture's own steps: `vxa.trace`
    steps       one pass for each step of the sampler, from the noisiest: read by other tools

For a rendered picture, `steps` are passes on the picture noised to each step's timestep, always with the same
noise. For a generated one they are the conditional rows of its own steps. Every head and step is kept
separately, which takes 100 MB for papercut.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.edges import EdgeFilter
from vxa.models.diffusers import DiffusersModel
from vxa.study.pictures import Picture
from vxa.study.untrained import untrained_model
from vxa.tracing.attribute import attribute
from vxa.tracing.pipeline import trace
from vxa.tracing.visualize import visualize

STEPS, GUIDANCE = 20, 5.0


@dataclass(frozen=True, eq=False)
class Evidence:
    """A picture with the passes that methods read.

    `read_steps` computes `steps` on first use. `trace` is None for a picture that the model did not
    generate."""

    model: DiffusersModel
    picture: Picture
    read_steps: Callable[[], AttentionMaps]
    trace: AttentionMaps | None = None

    @cached_property
    def one_pass(self) -> AttentionMaps:
        """`vxa.visualize` with its defaults."""
        return visualize(self.model, self.picture.image, self.picture.caption, self_attention=True)

    @cached_property
    def untrained(self) -> AttentionMaps:
        """`one_pass` of the untrained network."""
        model = untrained_model(self.model)
        return visualize(model, self.picture.image, self.picture.caption, self_attention=True)

    @cached_property
    def noised(self) -> AttentionMaps:
        """`vxa.attribute` with its defaults."""
        return attribute(self.model, self.picture.image, self.picture.caption, self_attention=True)

    @cached_property
    def inverted(self) -> AttentionMaps:
        """`vxa.attribute` along the DDIM inversion."""
        picture = self.picture
        return attribute(self.model, picture.image, picture.caption, inversion="ddim", self_attention=True)

    @cached_property
    def clean(self) -> AttentionMaps:
        """One pass on the picture without noise, at timestep 1."""
        return self._clean(self.model)

    @cached_property
    def dimmed(self) -> AttentionMaps:
        """`clean` on the latent of pixels in [0, 1]."""
        return self._clean(_DimmedModel(self.model))

    @cached_property
    def edges(self) -> EdgeFilter:
        """Filter along the picture's edges, for maps over the picture."""
        return EdgeFilter(self.picture.image, self.picture.image.size[::-1])

    @cached_property
    def steps(self) -> AttentionMaps:
        """One pass for each step of the sampler, in order, every head separate."""
        return self.read_steps()

    def _clean(self, model: object) -> AttentionMaps:
        return visualize(model, self.picture.image, self.picture.caption, timestep=1, noise="none")


def evidence_of_picture(model: DiffusersModel, picture: Picture) -> Evidence:
    """Return the evidence of a picture that the model did not generate."""
    scheduler = model.pipeline.scheduler.__class__.from_config(model.pipeline.scheduler.config)
    scheduler.set_timesteps(STEPS)
    levels = scheduler.timesteps.tolist()

    def steps() -> AttentionMaps:
        return attribute(
            model, picture.image, picture.caption, levels, (picture.seed,), bins="each", heads=True
        )

    return Evidence(model, picture, steps)


def evidence_of_generation(
    model: DiffusersModel, caption: str, seed: int, picture_of: Callable[[Image.Image], Picture]
) -> Evidence:
    """Generate a picture from the caption and return its evidence; `picture_of` adds the questions."""
    with trace(model, bins="each", heads=True) as by_step, trace(model, self_attention=True) as by_image:
        image = made(model, caption, seed)
    return Evidence(model, picture_of(image), lambda: by_step.maps[0], by_image.maps[0])


def made(model: DiffusersModel, caption: str, seed: int) -> Image.Image:
    """Generate a picture from a caption and a seed."""
    model.pipeline.set_progress_bar_config(disable=True)
    image: Image.Image = model.pipeline(
        caption,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        generator=torch.Generator("cpu").manual_seed(seed),
    ).images[0]
    return image


class _DimmedModel:
    """A model that encodes pixels scaled from [−1, 1] to [0, 1]."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def encode_image(self, pixels: Tensor) -> Tensor:
        latent: Tensor = self._model.encode_image((pixels + 1) / 2)
        return latent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)
