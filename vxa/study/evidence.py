"""What a method may look at: the recorded passes of a picture, made once and shared by all methods.

    clean       one pass on the picture as it is, timestep 1: what a one-pass map reads
    dimmed      the same with the pixels in [0, 1], as the original extension feeds its encoder
    steps       one pass for each step of the sampler, from the noisiest: what a generation shows

For a rendered picture `steps` are passes on the picture noised to each step's timestep, always with the same
noise; for a generated one they are the steps that made it, the conditional row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from vxa.attention.record import PassRecord, Recording
from vxa.attention.watch import watch
from vxa.maps import AttentionMaps
from vxa.models.diffusers import DiffusersModel
from vxa.study.peers import Passes
from vxa.study.pictures import Picture
from vxa.visualize import visualize

STEPS, GUIDANCE = 20, 5.0


@dataclass(frozen=True, eq=False)
class Evidence:
    """A picture with the passes that methods read. `record_steps` gives its steps when they are asked for."""

    model: DiffusersModel
    picture: Picture
    record_steps: Callable[[], Passes]

    @cached_property
    def clean(self) -> AttentionMaps:
        """One pass on the picture as it is."""
        return visualize(self.model, self.picture.image, self.picture.caption, sites="all", refine=True)

    @cached_property
    def dimmed(self) -> AttentionMaps:
        """One pass on the latent that the encoder makes of pixels in [0, 1]."""
        dimming = _Encoding(self.model, lambda pixels: self.model.encode_image((pixels + 1) / 2))
        return visualize(dimming, self.picture.image, self.picture.caption, sites="all")

    @cached_property
    def steps(self) -> Passes:
        """One pass for each step of the sampler, from the noisiest."""
        return self.record_steps()


def of_rendered(model: DiffusersModel, picture: Picture) -> Evidence:
    """The evidence of a picture that the model did not make."""
    scheduler = model.pipeline.scheduler.__class__.from_config(model.pipeline.scheduler.config)
    scheduler.set_timesteps(STEPS)
    noised: dict[str, Any] = {"noise": "matched", "seed": picture.seed, "sites": "all"}

    def steps() -> Passes:
        once = _encoding_once(model)
        return Passes(
            tuple(
                visualize(once, picture.image, picture.caption, int(timestep), **noised)
                for timestep in scheduler.timesteps
            )
        )

    return Evidence(model, picture, steps)


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


def of_generated(
    model: DiffusersModel, caption: str, seed: int, look: Callable[[Image.Image], Picture]
) -> Evidence:
    """The evidence of a picture made from the caption; `look` asks the questions about it."""
    side = model.pipeline.unet.config.sample_size
    with _every_forward(model.network, model, (side, side), row=1) as kept:
        image = made(model, caption, seed)
    picture = look(image)
    evidence = Evidence(model, picture, lambda: passes)
    cross = replace(evidence.clean, self_sites=())
    passes = Passes(tuple(replace(cross, records=records) for records in kept))
    return evidence


@contextmanager
def _every_forward(
    network: nn.Module, model: DiffusersModel, latent_size: tuple[int, int], row: int
) -> Iterator[list[Mapping[str, PassRecord]]]:
    """The records of one row of every forward of the network made in the block."""
    sites = [site for site in model.sites if site.kind == "cross"]
    kept: list[Mapping[str, PassRecord]] = []
    recording = Recording(latent_size, (row,))

    def after(module: nn.Module, inputs: Any, output: Any) -> None:
        watcher.check()
        kept.append(recording.records())

    with watch(network, sites, recording.receive) as watcher:
        handle = network.register_forward_hook(after)
        try:
            yield kept
        finally:
            handle.remove()


class _Encoding:
    """The model with another way to encode images."""

    def __init__(self, model: Any, encode: Callable[[Tensor], Tensor]) -> None:
        self._model, self.encode_image = model, encode

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def _encoding_once(model: DiffusersModel) -> Any:
    """The model for many passes on one image, which is encoded for the first of them alone."""
    latents: list[Tensor] = []

    def encode(pixels: Tensor) -> Tensor:
        if not latents:
            latents.append(model.encode_image(pixels))
        return latents[0]

    return _Encoding(model, encode)
