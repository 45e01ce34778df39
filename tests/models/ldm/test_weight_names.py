from __future__ import annotations

import pytest
import torch

from vxa.models.ldm.weight_names import rename_weights, unet_names, vae_names, vae_weights
from vxa.models.ldm_widths import unet

UNET = {
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 2,
}
VAE = {"block_out_channels": [64, 64, 128], "layers_per_block": 1}


def names(table: dict[str, str], *old: str) -> list[str]:
    return list(rename_weights({name: torch.zeros(1) for name in old}, table))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("conv_in.weight", "input_blocks.0.0.weight"),
        ("down_blocks.0.resnets.1.norm1.bias", "input_blocks.2.0.in_layers.0.bias"),
        ("down_blocks.0.attentions.1.proj_in.weight", "input_blocks.2.1.proj_in.weight"),
        ("down_blocks.0.downsamplers.0.conv.weight", "input_blocks.3.0.op.weight"),
        ("down_blocks.1.resnets.0.conv_shortcut.weight", "input_blocks.4.0.skip_connection.weight"),
        ("mid_block.resnets.1.time_emb_proj.weight", "middle_block.2.emb_layers.1.weight"),
        ("up_blocks.0.resnets.2.conv2.weight", "output_blocks.2.0.out_layers.3.weight"),
        ("up_blocks.0.upsamplers.0.conv.bias", "output_blocks.2.1.conv.bias"),
        (
            "up_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight",
            "output_blocks.3.1.transformer_blocks.0.attn2.to_k.weight",
        ),
        ("conv_out.bias", "out.2.bias"),
    ],
)
def test_the_unets_names(old: str, new: str) -> None:
    assert names(unet_names(UNET), old) == [new]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("encoder.conv_in.weight", "encoder.conv_in.weight"),
        ("encoder.down_blocks.0.resnets.0.norm1.weight", "encoder.down.0.block.0.norm1.weight"),
        ("encoder.down_blocks.2.resnets.0.conv_shortcut.bias", "encoder.down.2.block.0.nin_shortcut.bias"),
        ("encoder.down_blocks.1.downsamplers.0.conv.bias", "encoder.down.1.downsample.conv.bias"),
        ("decoder.up_blocks.0.resnets.1.conv2.bias", "decoder.up.2.block.1.conv2.bias"),
        ("decoder.up_blocks.1.upsamplers.0.conv.weight", "decoder.up.1.upsample.conv.weight"),
        ("decoder.mid_block.attentions.0.to_out.0.weight", "decoder.mid.attn_1.proj_out.weight"),
        ("decoder.mid_block.resnets.1.conv1.weight", "decoder.mid.block_2.conv1.weight"),
        ("quant_conv.weight", "quant_conv.weight"),
    ],
)
def test_the_autoencoders_names(old: str, new: str) -> None:
    assert names(vae_names(VAE), old) == [new]


def test_a_beginning_is_a_whole_part_of_a_name() -> None:
    table = {"blocks.1": "first", "blocks.1.norm": "last"}
    assert names(table, "blocks.1.x", "blocks.10.x", "blocks.1.norm.x", "blocks.1.norms.x") == [
        "first.x",
        "blocks.10.x",
        "last.x",
        "first.norms.x",
    ]
    assert list(rename_weights({"x": torch.zeros(1)}, table, "model.")) == ["model.x"]


def test_the_autoencoders_matrices_become_convolutions() -> None:
    shaped = vae_weights({"q": torch.ones(3, 2), "norm": torch.ones(3), "conv": torch.ones(3, 2, 1, 1)})
    assert [tuple(weight.shape) for weight in shaped.values()] == [(3, 2, 1, 1), (3,), (3, 2, 1, 1)]


def test_a_width_may_be_one_and_a_half_times_the_first() -> None:
    given = unet("types.SimpleNamespace", [64, 96, 128], num_heads=4)
    assert [factor * given.model_channels for factor in given.channel_mult] == [64, 96, 128]
    products = [given.model_channels * factor for factor in given.channel_mult]
    assert all(type(product) is int for product in products)
    assert given.num_heads == 4
