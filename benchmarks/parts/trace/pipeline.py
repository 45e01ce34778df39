"""Pipelines around the UNets of Stable Diffusion 1.5 and SDXL in their true sizes, with random weights.

The text encoders and the autoencoder are small: neither is traced, and generations end at their latents.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DiffusionPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from parts.sd15 import PROMPT, SD15, SDXL, random_unet
from vxa.papercut.shipped import weights_folder

GUIDANCE = 7.5
_Pipeline = TypeVar("_Pipeline", bound=DiffusionPipeline)


def sd15(shape: Mapping[str, Any] = SD15) -> StableDiffusionPipeline:
    """Build a pipeline in Stable Diffusion 1.5's shape: 860 M parameters in float32."""
    tokenizer = _tokenizer()
    return _quiet(
        StableDiffusionPipeline(
            vae=_vae(),
            text_encoder=_text_encoder(CLIPTextModel, tokenizer, 768),
            tokenizer=tokenizer,
            unet=random_unet(shape),
            scheduler=_scheduler(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    )


def sdxl() -> StableDiffusionXLPipeline:
    """Build a pipeline in SDXL's shape: 2.6 G parameters in float32."""
    tokenizer = _tokenizer()
    return _quiet(
        StableDiffusionXLPipeline(
            vae=_vae(),
            text_encoder=_text_encoder(CLIPTextModel, tokenizer, 768),
            tokenizer=tokenizer,
            text_encoder_2=_text_encoder(CLIPTextModelWithProjection, tokenizer, 1280),
            tokenizer_2=tokenizer,
            unet=random_unet(SDXL),
            scheduler=_scheduler(),
            add_watermarker=False,
        )
    )


SHAPES: dict[str, Callable[[], Any]] = {"sd15": sd15, "sdxl": sdxl}


def _quiet(pipeline: _Pipeline) -> _Pipeline:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _tokenizer() -> CLIPTokenizer:
    """Load papercut's tokenizer."""
    return CLIPTokenizer.from_pretrained(weights_folder() / "tokenizer")


def _text_encoder(kind: type[Any], tokenizer: CLIPTokenizer, channels: int) -> Any:
    torch.manual_seed(2)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=channels, intermediate_size=channels, num_hidden_layers=2,
        num_attention_heads=channels // 64, max_position_embeddings=77, projection_dim=channels,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return kind(config).eval()


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(4,) * 4, down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, norm_num_groups=2, latent_channels=4,
    ).eval()  # fmt: skip


def _scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, steps_offset=1, clip_sample=False
    )


def twin(pipeline: StableDiffusionPipeline) -> StableDiffusionPipeline:
    """Return a pipeline of the same weights with its own scheduler, hooks and attention processors.

    The two can generate in turns.
    """
    weights = {id(tensor): tensor for tensor in (*pipeline.unet.parameters(), *pipeline.unet.buffers())}
    parts = pipeline.components | {
        "scheduler": _scheduler(),
        "unet": copy.deepcopy(pipeline.unet, memo=weights),
    }
    return _quiet(StableDiffusionPipeline(**parts, requires_safety_checker=False))


def generation(
    pipeline: Any, steps: int, side: int = 512, step_ended: Callable[[], None] = lambda: None
) -> Callable[[], torch.Tensor]:
    """Return a function that generates a latent of side × side pixels, with guidance.

    It calls `step_ended` after each step.
    """

    def on_step_end(pipeline: Any, step: int, timestep: int, tensors: dict[str, Any]) -> dict[str, Any]:
        step_ended()
        return tensors

    def generate() -> torch.Tensor:
        latent: torch.Tensor = pipeline(
            PROMPT, negative_prompt="a cat", num_inference_steps=steps, guidance_scale=GUIDANCE, height=side,
            width=side, generator=torch.Generator().manual_seed(0), output_type="latent",
            callback_on_step_end=on_step_end,
        ).images  # fmt: skip
        return latent

    return generate
