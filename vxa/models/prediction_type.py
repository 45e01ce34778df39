"""The quantity that a checkpoint's UNet predicts, which its weights alone do not say.

SD2 was published in both kinds, under the same names and shapes. A network tells by its answer to pure noise
at the highest level, where z_t ≈ ε: one that predicts ε returns its input, one that predicts
v = √ᾱ ε - √(1 - ᾱ) x₀ (Salimans & Ho 2022) returns the image that it expects, turned round.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from vxa.models.chunks import CHUNK

__all__ = ["find_prediction_type", "predicts_noise"]

_METADATA = "modelspec.prediction_type"
_NAMES = {"epsilon": "epsilon", "eps": "epsilon", "v": "v_prediction", "v_prediction": "v_prediction"}
_MARKER = "v_pred"  # an empty weight by which SDXL checkpoints say that they predict v
_SIDE = 32  # of the noise, in latents


def find_prediction_type(
    weights: Collection[str], metadata: Mapping[str, str], usual: str | None, unet: Any
) -> str:
    """Return "epsilon" or "v_prediction".

    Args:
        weights: the names of the checkpoint's weights.
        metadata: of the checkpoint.
        usual: the prediction type of its family, None to ask the network itself.
        unet: the network.
    """
    said = _NAMES.get(metadata.get(_METADATA, "").strip().lower())
    if said is not None:
        return said
    if _MARKER in weights:
        return "v_prediction"
    return usual or ("epsilon" if predicts_noise(unet) else "v_prediction")


@torch.no_grad()
def predicts_noise(unet: Any) -> bool:
    """Return whether the network's answer to pure noise at its highest level is that noise."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, unet.config.in_channels, _SIDE, _SIDE, generator=generator)
    context = torch.zeros(1, CHUNK, unet.config.cross_attention_dim)
    answer: Tensor = unet(noise, torch.tensor([999]), encoder_hidden_states=context, return_dict=False)[0]
    given = noise[:, : answer.shape[1]]
    return bool(torch.cosine_similarity(answer.flatten(), given.flatten(), dim=0) > 0.5)
