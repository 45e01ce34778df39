"""The network that learned nothing: what the shape of the network and the autoencoder alone would score."""

from __future__ import annotations

from copy import deepcopy
from functools import cache

import torch
from torch import nn

from vxa.models.diffusers import DiffusersModel


@cache
def untrained_model(model: DiffusersModel) -> DiffusersModel:
    """The same UNet and text encoder with the random weights that layers begin with (seed 0), behind the same
    autoencoder."""
    parts = dict(model.pipeline.components)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for name in ("unet", "text_encoder"):
            parts[name] = deepcopy(parts[name])
            parts[name].apply(_begin)
    pipeline = type(model.pipeline)(**parts, requires_safety_checker=False)
    return DiffusersModel(pipeline, name="untrained", default_sites=model.default_sites)


def _begin(layer: nn.Module) -> None:
    reset = getattr(layer, "reset_parameters", None)
    if reset is not None:
        reset()
