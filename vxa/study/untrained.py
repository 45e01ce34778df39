"""The untrained network: a baseline of the architecture and the autoencoder alone."""

from __future__ import annotations

from copy import deepcopy
from functools import cache

import torch
from torch import nn

from vxa.models.diffusers import DiffusersModel


@cache
def untrained_model(model: DiffusersModel) -> DiffusersModel:
    """Copy the model with the random initial weights of its UNet and text encoder (seed 0).

    The autoencoder stays as it is."""
    parts = dict(model.pipeline.components)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for name in ("unet", "text_encoder"):
            parts[name] = deepcopy(parts[name])
            parts[name].apply(_reset)
    pipeline = type(model.pipeline)(**parts, requires_safety_checker=False)
    return DiffusersModel(pipeline, name="untrained", default_sites=model.default_sites)


def _reset(layer: nn.Module) -> None:
    reset_parameters = getattr(layer, "reset_parameters", None)
    if reset_parameters is not None:
        reset_parameters()
