"""Configurations of the families of Stable Diffusion, as single files lack them: one JSON for each family.

    {family.name: family.unet for family in read_families()}

A JSON has the numbers by which a family's networks differ from the defaults of diffusers and transformers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

__all__ = ["Family", "Text", "read_families"]


@dataclass(frozen=True)
class Text:
    """A text encoder and its tokenizer in a family's checkpoints.

    Attributes:
        part: its name in the pipeline.
        prefix: the start of its weights' names.
        layout: the kind of those names: transformers' own, or those of open_clip.
        projected: whether the encoder has a projection of the pooled text.
        pad: the tokenizer's padding token.
        config: of transformers' CLIPTextConfig.
    """

    part: Literal["text_encoder", "text_encoder_2"]
    prefix: str
    layout: Literal["clip", "open_clip"]
    projected: bool
    pad: str
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Family:
    """A family of checkpoints, known by the channels of the context that its UNet reads.

    Attributes:
        name: the family's name in messages.
        context: the channels of the context.
        pipelines: diffusers' pipeline, by the channels that the UNet takes.
        options: further arguments of the pipelines.
        prediction_type: what its UNets predict, None where both kinds are in use.
        sizes: the latent's side that the UNets were trained on, by what they predict.
        unet: the configuration of the UNet.
        vae: of the autoencoder.
        scheduler: of the scheduler, with its `class`.
        texts: the text encoders.
    """

    name: str
    context: int
    pipelines: Mapping[str, str]
    options: Mapping[str, Any]
    prediction_type: str | None
    sizes: Mapping[str, int]
    unet: Mapping[str, Any]
    vae: Mapping[str, Any]
    scheduler: Mapping[str, Any]
    texts: tuple[Text, ...]


def read_families() -> tuple[Family, ...]:
    """Return the families that the package knows."""
    return tuple(_read(path) for path in sorted(Path(__file__).parent.glob("*.json")))


def _read(path: Path) -> Family:
    settings = json.loads(path.read_text("utf-8"))
    return Family(**{**settings, "texts": tuple(Text(**text) for text in settings["texts"])})
