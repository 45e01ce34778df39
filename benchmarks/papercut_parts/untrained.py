"""The network that learned nothing, for comparison."""

from __future__ import annotations

from typing import Any

import torch

from vxa.models.diffusers import DiffusersModel
from vxa.papercut.train import networks


def untrained_model(model: Any) -> DiffusersModel:
    """The same networks with random weights behind the same autoencoder."""
    torch.manual_seed(0)
    parts = dict(model.pipeline.components)
    tokenizer = parts["tokenizer"]
    parts["unet"] = networks.unet().eval()
    parts["text_encoder"] = networks.text_encoder(
        len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id
    ).eval()
    pipeline = type(model.pipeline)(**parts, requires_safety_checker=False)
    return DiffusersModel(pipeline, name="untrained", default_sites="all")
