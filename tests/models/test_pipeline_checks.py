"""Pipelines of other kinds: refused for what they lack or need, in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from PIL import Image

import vxa
from vxa.errors import ModelError

Change = Callable[[Any], None]

_BLOCKS = {
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "cross_attention_dim": 16,
    "norm_num_groups": 4,
}
_LEVELS = {
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}


def unet(**settings: Any) -> Change:
    """Make the change to another UNet."""

    def change(pipeline: Any) -> None:
        from diffusers import UNet2DConditionModel

        pipeline.unet = UNet2DConditionModel(
            **{**_BLOCKS, **_LEVELS, "attention_head_dim": 2, **settings}
        ).eval()

    return change


def foreign(name: str, **settings: Any) -> Change:
    """Make the change to a UNet of another class."""

    def change(pipeline: Any) -> None:
        import diffusers

        pipeline.unet = getattr(diffusers, name)(**settings).eval()

    return change


def part(name: str, value: Any) -> Change:
    return lambda pipeline: setattr(pipeline, name, value)


def parallel(name: str) -> Change:
    return lambda pipeline: setattr(pipeline, name, torch.nn.DataParallel(getattr(pipeline, name)))


def long_text(pipeline: Any) -> None:
    pipeline.text_encoder.config.max_position_embeddings = 512


MOTION = {
    "down_block_types": ("CrossAttnDownBlockMotion", "DownBlockMotion"),
    "up_block_types": ("UpBlockMotion", "CrossAttnUpBlockMotion"),
    "num_attention_heads": 2,
    "motion_num_attention_heads": 2,
    **_BLOCKS,
}
VIDEO = {
    "down_block_types": ("CrossAttnDownBlock3D", "DownBlock3D"),
    "up_block_types": ("UpBlock3D", "CrossAttnUpBlock3D"),
    "attention_head_dim": 2,
    **_BLOCKS,
}
STILL = {
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (8, 16),
    "norm_num_groups": 4,
}
CONTROL = {
    "block_out_channels": (8, 16),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 16,
    "norm_num_groups": 4,
    "num_attention_heads": 2,
    "ctrl_block_out_channels": (4, 8),
    "ctrl_num_attention_heads": 2,
    "ctrl_conditioning_embedding_out_channels": (4,),
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (part("unet", None), "StableDiffusionPipeline has no UNet .*SD1, SD2 and SDXL"),
        (part("tokenizer", None), "lacks a text encoder"),
        (part("scheduler", None), "lacks a scheduler"),
        (long_text, "is not CLIP's, of 77 positions"),
        (parallel("unet"), "the unet of .* is a DataParallel, which has no config; give the network inside"),
        (parallel("vae"), "the vae of .* is a DataParallel, which has no config; give the network inside"),
        (parallel("text_encoder"), "the text_encoder of .* is a DataParallel, which has no config"),
        (foreign("UNetMotionModel", **MOTION), r"attention beside its .*\(down_.*video model"),
        (foreign("UNet3DConditionModel", **VIDEO), r"attention beside its .*\(down_.*temp_att"),
        (foreign("UNet2DModel", **STILL), "has no cross-attention layers that VXA knows"),
        (foreign("UNetControlNetXSModel", **CONTROL), "the unet.down_blocks.0 of .* which has no resnets"),
        (unet(dual_cross_attention=True), "has no cross-attention layers that VXA knows"),
        (unet(only_cross_attention=True), "attn1 of .* attends to text, against the order"),
        (
            unet(down_block_types=("CrossAttnDownBlock2D", "SimpleCrossAttnDownBlock2D")),
            r"attention beside its transformer blocks \(down_blocks.1.attentions.0\)",
        ),
    ],
)  # fmt: skip
def test_a_pipeline_of_another_kind_is_refused(change: Change, message: str, sd_pipeline: Any) -> None:
    change(sd_pipeline)
    with pytest.raises(ModelError, match=message):
        vxa.load(sd_pipeline)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (unet(num_class_embeds=10), "needs class labels, which an image and a prompt do not give; trace"),
        (unet(class_embed_type="timestep"), "needs class labels"),
        (
            unet(addition_embed_type="text", addition_embed_type_num_heads=2),
            r"needs 'text' conditions \(addition",
        ),
        (unet(addition_embed_type="image", encoder_hid_dim=16), "needs 'image' conditions"),
        (unet(encoder_hid_dim_type="image_proj", encoder_hid_dim=16), "needs 'image_proj' conditions"),
        (unet(in_channels=5), "takes 5 channels and its latent has 4: an edit, depth or upscaling model"),
        (unet(in_channels=8), "takes 8 channels and its latent has 4: an edit, depth or upscaling model"),
        (unet(cross_attention_dim=24), "give 16 channels and its UNet reads 24: they are not of one model"),
    ],
)
def test_a_network_with_other_inputs_is_refused_before_a_pass(
    change: Change, message: str, sd_pipeline: Any, picture: Image.Image
) -> None:
    change(sd_pipeline)
    model: Any = vxa.load(sd_pipeline)
    passes: list[object] = []
    model.network.conv_in.register_forward_pre_hook(lambda module, given: passes.append(given))
    for reading in (vxa.visualize, vxa.attribute):
        with pytest.raises(ModelError, match=message):
            reading(model, picture, "red hat")
    assert not passes


@pytest.mark.filterwarnings("ignore:The configuration file of the vae:FutureWarning")
def test_an_upscalers_generation_is_traced(sd_pipeline: Any) -> None:
    """Its UNet has seven channels and class labels, which the pipeline itself gives it."""
    from diffusers import DDPMScheduler, StableDiffusionUpscalePipeline

    unet(in_channels=7, num_class_embeds=1000)(sd_pipeline)
    names = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")
    parts = {name: sd_pipeline.components[name] for name in names}
    pipeline = StableDiffusionUpscalePipeline(**parts, low_res_scheduler=DDPMScheduler())
    with vxa.trace(pipeline) as found:
        pipeline("red hat", image=Image.new("RGB", (16, 8)), num_inference_steps=2, output_type="latent")
    assert found.maps[0].heat_map("hat").values.max() > 0


@pytest.mark.parametrize(
    "change",
    [
        unet(mid_block_type=None),
        unet(attention_type="gated"),
        unet(encoder_hid_dim_type="text_proj", encoder_hid_dim=16, cross_attention_dim=24),
    ],
)
def test_unets_that_differ_in_what_does_not_matter(
    change: Change, sd_pipeline: Any, picture: Image.Image
) -> None:
    change(sd_pipeline)
    assert vxa.visualize(sd_pipeline, picture, "red hat").heat_map("hat").values.max() > 0


def test_an_sdxl_text_encoder_that_pools_nothing_is_refused(sdxl_pipeline: Any, picture: Image.Image) -> None:
    from support.tiny_models import make_text_encoder

    sdxl_pipeline.text_encoder_2 = make_text_encoder(sdxl_pipeline.tokenizer_2, projected=False, channels=8)
    with pytest.raises(ModelError, match="and its last text encoder do not fit"):
        vxa.visualize(sdxl_pipeline, picture, "red hat")
