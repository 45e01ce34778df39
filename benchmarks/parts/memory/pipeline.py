"""Whole pipelines of a family's true shape with random weights, text encoders and autoencoder included."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import diffusers
import torch
from accelerate import init_empty_weights
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from vxa.models.families import Family, Text, read_families
from vxa.papercut.shipped import weights_folder

__all__ = ["build_pipeline", "find_family"]

_SPREAD = 0.02  # of the weights: no activation overflows


def find_family(name: str) -> Family:
    """Return the family of that name; "tiny" is SDXL's in small, to see that the measurement runs."""
    families = {family.name: family for family in read_families()}
    return _shrink(families["SDXL"]) if name == "tiny" else families[name]


def build_pipeline(family: Family, dtype: torch.dtype) -> Any:
    """Build the family's text-to-image pipeline on the CPU, its weights in `dtype` from the first."""
    torch.manual_seed(0)
    tokenizer = CLIPTokenizer.from_pretrained(weights_folder() / "tokenizer")
    settings = {name: value for name, value in family.scheduler.items() if name != "class"}
    texts = {text.part: _filled(dtype, _text_encoder, text) for text in family.texts}
    pipeline = getattr(diffusers, family.pipelines["4"])(
        unet=_filled(dtype, diffusers.UNet2DConditionModel, **family.unet, in_channels=4),
        vae=_filled(dtype, _vae, family),
        scheduler=getattr(diffusers, family.scheduler["class"])(**settings),
        **texts,
        **{part.replace("text_encoder", "tokenizer"): tokenizer for part in texts},
        **family.options,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _vae(family: Family) -> Any:
    levels = len(family.vae["block_out_channels"])
    return diffusers.AutoencoderKL(
        **family.vae,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
    )


def _text_encoder(text: Text) -> Any:
    kind = CLIPTextModelWithProjection if text.projected else CLIPTextModel
    return kind(CLIPTextConfig(**text.config))


def _filled(dtype: torch.dtype, build: Any, *arguments: Any, **settings: Any) -> nn.Module:
    """Build a network without weights, and give it random ones."""
    with init_empty_weights():
        network: nn.Module = build(*arguments, **settings)
    shapes = {name: weight.shape for name, weight in network.named_parameters()}
    weights = {name: torch.empty(shape, dtype=dtype).normal_(0, _SPREAD) for name, shape in shapes.items()}
    network.load_state_dict(weights, strict=False, assign=True)
    return network.eval()


def _shrink(family: Family) -> Family:
    unet = {**family.unet, "block_out_channels": [32, 64, 64], "sample_size": 8}
    unet["transformer_layers_per_block"] = [1, 1, 1]
    vae = {**family.vae, "block_out_channels": [32, 32, 32, 32]}
    texts = tuple(replace(text, config={**text.config, "num_hidden_layers": 2}) for text in family.texts)
    return replace(family, unet=unet, vae=vae, texts=texts)
