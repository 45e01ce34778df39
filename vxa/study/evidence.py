"""What a method may look at: the recorded passes of a picture, made once and shared by all methods.

    clean       one pass on the picture as it is, timestep 1: what a one-pass map reads
    dimmed      the same with the pixels in [0, 1], as the original extension feeds its encoder
    untrained   the clean pass of a network that learned nothing
    noised      passes on the picture with the noise of several levels, their mean: `vxa.attribute`
    inverted    passes along the picture's DDIM inversion, their mean
    trace       a generated picture's own steps, their mean: `vxa.trace`
    steps       one pass for each step of the sampler, from the noisiest: what other tools read

For a rendered picture `steps` are passes on the picture noised to each step's timestep, always with the same
noise; for a generated one they are the steps that made it, the conditional row. Every head and step is kept
by itself: 100 MB of papercut.
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
from vxa.models.diffusers import DiffusersModel
from vxa.study.pictures import Picture
from vxa.study.untrained import untrained_model
from vxa.tracing.attribute import attribute
from vxa.tracing.pipeline import trace
from vxa.tracing.visualize import visualize

STEPS, GUIDANCE = 20, 5.0


@dataclass(frozen=True, eq=False)
class Evidence:
    """A picture with the passes that methods read. `read_steps` gives its steps when they are asked for;
    `trace` is None of a picture that the model did not make."""

    model: DiffusersModel
    picture: Picture
    read_steps: Callable[[], AttentionMaps]
    trace: AttentionMaps | None = None

    @cached_property
    def clean(self) -> AttentionMaps:
        """One pass on the picture as it is."""
        return visualize(self.model, self.picture.image, self.picture.caption, self_attention=True)

    @cached_property
    def untrained(self) -> AttentionMaps:
        """The same pass of the network that learned nothing."""
        return visualize(
            untrained_model(self.model), self.picture.image, self.picture.caption, self_attention=True
        )

    @cached_property
    def noised(self) -> AttentionMaps:
        """`vxa.attribute` as it is by default."""
        return attribute(self.model, self.picture.image, self.picture.caption, self_attention=True)

    @cached_property
    def inverted(self) -> AttentionMaps:
        """`vxa.attribute` along the inversion."""
        picture = self.picture
        return attribute(self.model, picture.image, picture.caption, inversion="ddim", self_attention=True)

    @cached_property
    def dimmed(self) -> AttentionMaps:
        """One pass on the latent that the encoder makes of pixels in [0, 1]."""
        return visualize(_Dimming(self.model), self.picture.image, self.picture.caption)

    @cached_property
    def steps(self) -> AttentionMaps:
        """A pass for each step of the sampler, in order, every head by itself."""
        return self.read_steps()


def of_rendered(model: DiffusersModel, picture: Picture) -> Evidence:
    """The evidence of a picture that the model did not make."""
    scheduler = model.pipeline.scheduler.__class__.from_config(model.pipeline.scheduler.config)
    scheduler.set_timesteps(STEPS)
    levels = scheduler.timesteps.tolist()

    def steps() -> AttentionMaps:
        return attribute(
            model, picture.image, picture.caption, levels, (picture.seed,), bins="each", heads=True
        )

    return Evidence(model, picture, steps)


def of_generated(
    model: DiffusersModel, caption: str, seed: int, look: Callable[[Image.Image], Picture]
) -> Evidence:
    """The evidence of a picture made from the caption; `look` asks the questions about it."""
    with trace(model, bins="each", heads=True) as by_step, trace(model, self_attention=True) as traced:
        image = made(model, caption, seed)
    return Evidence(model, look(image), lambda: by_step.maps[0], traced.maps[0])


def made(model: DiffusersModel, caption: str, seed: int) -> Image.Image:
    """The picture that the sampler makes of a caption from that seed."""
    model.pipeline.set_progress_bar_config(disable=True)
    image: Image.Image = model.pipeline(
        caption,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        generator=torch.Generator("cpu").manual_seed(seed),
    ).images[0]
    return image


class _Dimming:
    """The model with pixels brought to [0, 1] before they are encoded."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def encode_image(self, pixels: Tensor) -> Tensor:
        latent: Tensor = self._model.encode_image((pixels + 1) / 2)
        return latent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)
