"""ldm's names for the weights of a diffusers model of Stable Diffusion 1's kind, as tables.

    renamed(weights, unet_names(config))

A block has its place (`down_blocks.1.resnets.0` is `input_blocks.3.0`), and within a block every kind of
layer has names of its own (`norm1` is `in_layers.0`). A table maps the beginnings of names; nothing is
decided by looking at the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

__all__ = ["renamed", "unet_names", "vae_names", "vae_weights"]

Names = dict[str, str]
"""Beginnings of diffusers' names, whole parts of them, and what ldm has instead; the longest counts."""

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


def renamed(weights: Mapping[str, Tensor], names: Names, prefix: str = "") -> dict[str, Tensor]:
    """The weights under ldm's names, each behind `prefix`; a name that the table lacks is the same in ldm."""
    found = {}
    for name, weight in weights.items():
        start = max((start for start in names if f"{name}.".startswith(f"{start}.")), key=len, default="")
        found[prefix + names.get(start, "") + name[len(start) :]] = weight
    return found


def vae_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The autoencoder's weights in ldm's shapes: its attention projects by convolutions of one pixel."""
    return {name: weight[..., None, None] if weight.ndim == 2 else weight for name, weight in weights.items()}


def unet_names(config: Mapping[str, Any]) -> Names:
    """The table for a UNet: a residual layer takes a block of ldm's, with its attention; so does resampling.

    Args:
        config: diffusers' own: the types of its blocks and `layers_per_block`, the same for all.
    """
    down, up, layers = config["down_block_types"], config["up_block_types"], config["layers_per_block"]
    names = {
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "conv_in": "input_blocks.0.0",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
        "mid_block.attentions.0": "middle_block.1",
        **_within("mid_block.resnets.0", "middle_block.0", _RESIDUAL),
        **_within("mid_block.resnets.1", "middle_block.2", _RESIDUAL),
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
        place = 2 if "CrossAttn" in kind else 1  # behind the last residual layer and its attention
        names[f"{block}.upsamplers.0.conv"] = f"output_blocks.{first + layers}.{place}.conv"
    return names


def vae_names(config: Mapping[str, Any]) -> Names:
    """The table for an AutoencoderKL; ldm counts the decoder's levels from the finest."""
    levels = len(config["block_out_channels"])
    names = {}
    for part in ("encoder", "decoder"):
        names[f"{part}.conv_norm_out"] = f"{part}.norm_out"
        names |= _within(f"{part}.mid_block.attentions.0", f"{part}.mid.attn_1", _VAE_ATTENTION)
        for layer in range(2):
            names[f"{part}.mid_block.resnets.{layer}"] = f"{part}.mid.block_{layer + 1}"
    for level in range(levels):
        ways = (("encoder.down", level, "downsample"), ("decoder.up", levels - 1 - level, "upsample"))
        for way, place, resampling in ways:
            block = f"{way}_blocks.{level}"
            names[f"{block}.{resampling}rs.0"] = f"{way}.{place}.{resampling}"
            for layer in range(config["layers_per_block"] + 1):
                names |= _within(f"{block}.resnets.{layer}", f"{way}.{place}.block.{layer}", _VAE_RESIDUAL)
    return names


def _layer_names(block: str, layer: int, place: str) -> Names:
    """A residual layer and the attention behind it."""
    return {
        **_within(f"{block}.resnets.{layer}", f"{place}.0", _RESIDUAL),
        f"{block}.attentions.{layer}": f"{place}.1",
    }


def _within(old: str, new: str, layers: Mapping[str, str]) -> Names:
    """A block and its layers."""
    return {old: new, **{f"{old}.{layer}": f"{new}.{named}" for layer, named in layers.items()}}
