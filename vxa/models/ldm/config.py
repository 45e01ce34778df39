"""Conversion of a diffusers model's configuration to ldm's, for the YAML beside a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["MODEL_KEY", "SITES_KEY", "ldm_config"]

Config = Mapping[str, Any]

SITES_KEY = "vxa.default_sites"
"""Metadata key of a checkpoint: the sites read when none are named."""
MODEL_KEY = "vxa.model"
"""Metadata key of a checkpoint: the name by which `vxa.load` loads the same weights."""


def ldm_config(unet: Config, vae: Config, schedule: Config, clip: str) -> dict[str, Any]:
    """Convert diffusers' configurations of a model of SD1's kind to that of ldm's LatentDiffusion.

    Args:
        unet: the UNet's.
        vae: the autoencoder's.
        schedule: the scheduler's; its betas are "scaled_linear", which ldm calls linear.
        clip: the path of the folder with CLIP's configuration and tokenizer.
    """
    return {
        "target": "ldm.models.diffusion.ddpm.LatentDiffusion",
        "params": {
            "linear_start": schedule["beta_start"],
            "linear_end": schedule["beta_end"],
            "timesteps": schedule["num_train_timesteps"],
            "parameterization": {"epsilon": "eps", "v_prediction": "v"}[schedule["prediction_type"]],
            "conditioning_key": "crossattn",
            "scale_factor": vae["scaling_factor"],
            "channels": vae["latent_channels"],
            "first_stage_key": "jpg",
            "cond_stage_key": "txt",
            "cond_stage_trainable": False,
            "use_ema": False,
            "unet_config": _unet_config(unet),
            "first_stage_config": _vae_config(vae),
            "cond_stage_config": {
                "target": "ldm.modules.encoders.modules.FrozenCLIPEmbedder",
                "params": {"version": clip},
            },
        },
    }


def _unet_config(config: Config) -> dict[str, Any]:
    factors = [2**level for level, kind in enumerate(config["down_block_types"]) if "CrossAttn" in kind]
    return {
        "target": "vxa.models.ldm_widths.unet",
        "params": {
            "network": "ldm.modules.diffusionmodules.openaimodel.UNetModel",
            "widths": config["block_out_channels"],
            "image_size": config["sample_size"],
            "in_channels": config["in_channels"],
            "out_channels": config["out_channels"],
            "num_res_blocks": config["layers_per_block"],
            "attention_resolutions": factors,
            "num_heads": config["attention_head_dim"],  # the number of heads, under diffusers' old name
            "use_spatial_transformer": True,
            "transformer_depth": config["transformer_layers_per_block"],
            "context_dim": config["cross_attention_dim"],
            "use_checkpoint": False,
            "legacy": False,
        },
    }


def _vae_config(config: Config) -> dict[str, Any]:
    widths = config["block_out_channels"]
    return {
        "target": "ldm.models.autoencoder.AutoencoderKL",
        "params": {
            "embed_dim": config["latent_channels"],
            "ddconfig": {
                "double_z": True,
                "z_channels": config["latent_channels"],
                "resolution": config["sample_size"],
                "in_channels": config["in_channels"],
                "out_ch": config["out_channels"],
                "ch": widths[0],
                "ch_mult": [width // widths[0] for width in widths],
                "num_res_blocks": config["layers_per_block"],
                "attn_resolutions": [],
                "dropout": 0.0,
            },
            "lossconfig": {"target": "torch.nn.Identity"},
        },
    }
