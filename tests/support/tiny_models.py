"""Tiny random models in the shape of SD1 and SDXL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

# The bytes of a byte-level vocabulary as letters: printable ones stand for themselves (GPT-2).
_PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
_LETTERS = [chr(b) for b in _PRINTABLE] + [chr(256 + n) for n in range(256 - len(_PRINTABLE))]
_SCHEDULE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
_MERGES = ["h a", "ha t</w>", "n e", "c k</w>", "ne ck</w>", "r e", "re d</w>", "a n", "an d</w>"]


def write_tokenizer(folder: Path) -> Path:
    """Write a CLIP tokenizer's files: every byte and a few merges; hat, neck, red and "and" are one token."""
    pieces = [*_LETTERS, *(letter + "</w>" for letter in _LETTERS), *(m.replace(" ", "") for m in _MERGES)]
    vocab = {piece: number for number, piece in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(vocab), "utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(_MERGES) + "\n", "utf-8")
    return folder


def make_tokenizer(folder: Path, pad: str = "<|endoftext|>") -> Any:
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(folder, model_max_length=77, pad_token=pad)


def make_text_encoder(tokenizer: Any, projected: bool, channels: int = 16) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=channels,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        projection_dim=channels,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval()


def make_vae() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(4, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=2,
        latent_channels=4,
        sample_size=32,
        scaling_factor=0.5,
        force_upcast=False,
    ).eval()


def make_sd_pipeline(tokenizer_folder: Path, seed: int = 0) -> Any:
    """Make a pipeline in SD1's shape: three levels, two layers a block.

    Cross-attention is at the first two levels and in the middle block.
    """
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

    torch.manual_seed(seed)
    tokenizer = make_tokenizer(tokenizer_folder)
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16, 16),
        layers_per_block=2,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=2,  # the number of heads, by diffusers' old name
        norm_num_groups=4,
        sample_size=16,
    ).eval()
    return StableDiffusionPipeline(
        vae=make_vae(),
        text_encoder=make_text_encoder(tokenizer, projected=False),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(**_SCHEDULE, steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def make_sdxl_pipeline(tokenizer_folder: Path, seed: int = 0) -> Any:
    """Make a pipeline in SDXL's shape: two text encoders, several layers a block.

    There is no attention at the first level.
    """
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel

    torch.manual_seed(seed)
    tokenizer, tokenizer_2 = make_tokenizer(tokenizer_folder), make_tokenizer(tokenizer_folder, pad="!")
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2),
        cross_attention_dim=24,
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=6 * 4 + 8,
        norm_num_groups=4,
        sample_size=16,
    ).eval()
    return StableDiffusionXLPipeline(
        vae=make_vae(),
        text_encoder=make_text_encoder(tokenizer, projected=False),
        text_encoder_2=make_text_encoder(tokenizer_2, projected=True, channels=8),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer_2,
        unet=unet,
        scheduler=EulerDiscreteScheduler(**_SCHEDULE),
        add_watermarker=False,
    )
