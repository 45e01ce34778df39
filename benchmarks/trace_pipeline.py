"""A StableDiffusionPipeline around Stable Diffusion 1.5's UNet in its true size, with random weights.

The text encoder and the autoencoder are small: neither is watched, and generations end at their latents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline
from sd15 import PROMPT, random_unet
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from vxa.models.papercut import weights_folder

GUIDANCE = 7.5


def random_pipeline() -> StableDiffusionPipeline:
    """The pipeline, its tokenizer papercut's: 860 M parameters in float32."""
    tokenizer = CLIPTokenizer.from_pretrained(weights_folder() / "tokenizer")
    torch.manual_seed(2)
    text = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=768, intermediate_size=768, num_hidden_layers=1,
        num_attention_heads=12, max_position_embeddings=77, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(4,) * 4, down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, norm_num_groups=2, latent_channels=4,
    )  # fmt: skip
    pipeline = StableDiffusionPipeline(
        vae=vae.eval(), text_encoder=CLIPTextModel(text).eval(), tokenizer=tokenizer, unet=random_unet(),
        scheduler=DDIMScheduler(
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, steps_offset=1,
            clip_sample=False,
        ),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def generation(pipeline: Any, steps: int, side: int = 512) -> Callable[[], torch.Tensor]:
    """One guided generation of side × side pixels, to its latent."""

    def generate() -> torch.Tensor:
        latent: torch.Tensor = pipeline(
            PROMPT, negative_prompt="a cat", num_inference_steps=steps, guidance_scale=GUIDANCE, height=side,
            width=side, generator=torch.Generator().manual_seed(0), output_type="latent",
        ).images  # fmt: skip
        return latent

    return generate
