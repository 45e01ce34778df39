"""ldm's names for the weights of a diffusers model of the SD1, SD2 or SDXL family, as tables.

    rename_weights(weights, unet_names(config))

Blocks have other numbers (`down_blocks.1.resnets.0` is `input_blocks.3.0`), and the layers within a block
other names (`norm1` is `in_layers.0`). A table maps prefixes of names and depends on the configuration alone,
not on the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from torch import Tensor

__all__ = ["rename_weights", "unet_names", "vae_names", "vae_weights"]

Weight = TypeVar("Weight")
Names = dict[str, str]
"""Prefixes of diffusers' names, in whole dotted parts, and ldm's for them; the longest match wins."""

_RESIDUAL = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_VAE_RESIDUAL = {"conv_shortcut": "nin_shortcut"}
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def rename_weights(weights: Mapping[str, Weight], names: Names, prefix: str = "") -> dict[str, Weight]:
    """Return the weights under ldm's names, each behind `prefix`; a name not in the table stays the same."""
    renamed = {}
    for name, weight in weights.items():
        start = max((start for start in names if f"{name}.".startswith(f"{start}.")), key=len, default="")
        renamed[prefix + names.get(start, "") + name[len(start) :]] = weight
    return renamed


def vae_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the VAE's weights in ldm's shapes: its attention projections are 1×1 convolutions there."""
    return {name: weight[..., None, None] if weight.ndim == 2 else weight for name, weight in weights.items()}


def unet_names(config: Mapping[str, Any]) -> Names:
    """Return the table for a UNet.

    One block of ldm's is a residual layer with its attention. A downsampling is a block by itself; an
    upsampling is the end of the last layer's block.

    Args:
        config: diffusers' configuration: the types of its blocks and `layers_per_block`, the same for all.
    """
    down, up, layers = config["down_block_types"], config["up_block_types"], config["layers_per_block"]
    names = {
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "add_embedding.linear_1": "label_emb.0.0",
        "add_embedding.linear_2": "label_emb.0.2",
        "conv_in": "input_blocks.0.0",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
        "mid_block.attentions.0": "middle_block.1",
        **_block_names("mid_block.resnets.0", "middle_block.0", _RESIDUAL),
        **_block_names("mid_block.resnets.1", "middle_block.2", _RESIDUAL),
    }
    for level in range(len(down)):
        block, first = f"down_blocks.{level}", level * (layers + 1) + 1
        for layer in range(layers):
            names |= _layer_names(block, layer, f"input_blocks.{first + layer}")
        names[f"{block}.downsamplers.0.conv"] = f"input_blocks.{first + layers}.0.op"
    for level, kind in enumerate(up):
        block, first = f"up_blocks.{level}", level * (layers + 1)
        for layer in range(layers + 1):
            names |= _layer_names(block, layer, f"output_blocks.{first + layer}")
        place = 2 if "CrossAttn" in kind else 1  # after the last residual layer and its attention
        names[f"{block}.upsamplers.0.conv"] = f"output_blocks.{first + layers}.{place}.conv"
    return names


def vae_names(config: Mapping[str, Any]) -> Names:
    """Return the table for an AutoencoderKL; ldm counts the decoder's levels from the finest."""
    levels = len(config["block_out_channels"])
    names = {}
    for part in ("encoder", "decoder"):
        names[f"{part}.conv_norm_out"] = f"{part}.norm_out"
        names |= _block_names(f"{part}.mid_block.attentions.0", f"{part}.mid.attn_1", _VAE_ATTENTION)
        for layer in range(2):
            names[f"{part}.mid_block.resnets.{layer}"] = f"{part}.mid.block_{layer + 1}"
    for level in range(levels):
        sides = (("encoder.down", level, "downsample"), ("decoder.up", levels - 1 - level, "upsample"))
        for side, place, resampling in sides:
            block = f"{side}_blocks.{level}"
            names[f"{block}.{resampling}rs.0"] = f"{side}.{place}.{resampling}"
            for layer in range(config["layers_per_block"] + 1):
                names |= _block_names(
                    f"{block}.resnets.{layer}", f"{side}.{place}.block.{layer}", _VAE_RESIDUAL
                )
    return names


def _layer_names(block: str, layer: int, place: str) -> Names:
    """Return the names of a residual layer and the attention after it."""
    return {
        **_block_names(f"{block}.resnets.{layer}", f"{place}.0", _RESIDUAL),
        f"{block}.attentions.{layer}": f"{place}.1",
    }


def _block_names(old: str, new: str, layers: Mapping[str, str]) -> Names:
    """Return the names of a block and its layers."""
    return {old: new, **{f"{old}.{layer}": f"{new}.{name}" for layer, name in layers.items()}}
