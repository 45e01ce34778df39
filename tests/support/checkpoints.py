"""Tiny checkpoints in ldm's and sgm's layout, and CLIP's vocabulary as packages ship it."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from support.tiny_models import _MERGES
from vxa.models.families import Family, Text
from vxa.models.ldm.weight_names import rename_weights, unet_names, vae_names, vae_weights

__all__ = ["family_of", "ldm_weights", "write_checkpoint", "write_vocabulary"]

_EOS = "<|endoftext|>"


def write_vocabulary(folder: Path) -> None:
    """Write the tiny tokenizer's merges where open_clip has CLIP's."""
    (folder / "open_clip").mkdir(parents=True)
    (folder / "open_clip" / "__init__.py").write_text("raise AssertionError('imported')")
    text = "\n".join(["a comment", *_MERGES, ""])
    (folder / "open_clip" / "bpe_simple_vocab_16e6.txt.gz").write_bytes(gzip.compress(text.encode()))


def write_checkpoint(path: Path, weights: Mapping[str, Tensor], **metadata: str) -> Path:
    save_file({name: weight.clone().contiguous() for name, weight in weights.items()}, path, metadata or None)
    return path


def ldm_weights(pipeline: Any) -> dict[str, Tensor]:
    """Return the pipeline's weights under ldm's names, or sgm's for two text encoders."""
    unet, vae = pipeline.unet, pipeline.vae
    prefix = "conditioner.embedders.0.transformer." if _is_xl(pipeline) else "cond_stage_model.transformer."
    weights = {
        **rename_weights(unet.state_dict(), unet_names(unet.config), "model.diffusion_model."),
        **rename_weights(vae_weights(vae.state_dict()), vae_names(vae.config), "first_stage_model."),
        **{f"{prefix}text_model.{name}": w for name, w in _clip(pipeline.text_encoder).items()},
    }
    if _is_xl(pipeline):
        weights |= open_clip_weights(pipeline.text_encoder_2, "conditioner.embedders.1.model.")
    return weights


def open_clip_weights(encoder: Any, prefix: str) -> dict[str, Tensor]:
    """Return a text encoder's weights under open_clip's names; query, key and value are one matrix."""
    own, made = _clip(encoder), {}
    for name, plain in (
        ("token_embedding.weight", "embeddings.token_embedding.weight"),
        ("positional_embedding", "embeddings.position_embedding.weight"),
        ("ln_final.weight", "final_layer_norm.weight"),
        ("ln_final.bias", "final_layer_norm.bias"),
    ):
        made[name] = own[plain]
    for layer in range(encoder.config.num_hidden_layers):
        for kind in ("weight", "bias"):
            old, new = f"encoder.layers.{layer}", f"transformer.resblocks.{layer}"
            thirds = [own[f"{old}.self_attn.{part}_proj.{kind}"] for part in "qkv"]
            made[f"{new}.attn.in_proj_{kind}"] = torch.cat(thirds)
            made[f"{new}.attn.out_proj.{kind}"] = own[f"{old}.self_attn.out_proj.{kind}"]
            for a, b in (("ln_1", "layer_norm1"), ("ln_2", "layer_norm2")):
                made[f"{new}.{a}.{kind}"] = own[f"{old}.{b}.{kind}"]
            for a, b in (("c_fc", "fc1"), ("c_proj", "fc2")):
                made[f"{new}.mlp.{a}.{kind}"] = own[f"{old}.mlp.{b}.{kind}"]
    if "text_projection.weight" in own:
        made["text_projection"] = own["text_projection.weight"].T
    return {prefix + name: weight for name, weight in made.items()}


def family_of(pipeline: Any, prediction_type: str | None = "epsilon") -> Family:
    """Return the pipeline's shapes as a family."""
    unet = {name: value for name, value in pipeline.unet.config.items() if not name.startswith("_")}
    del unet["in_channels"], unet["sample_size"]
    vae = ("block_out_channels", "layers_per_block", "norm_num_groups", "latent_channels", "scaling_factor")
    xl = _is_xl(pipeline)
    prefix = "conditioner.embedders.0.transformer." if xl else "cond_stage_model.transformer."
    texts = [Text("text_encoder", prefix, "clip", False, _EOS, _text_config(pipeline.text_encoder))]
    if xl:
        config, prefix = _text_config(pipeline.text_encoder_2), "conditioner.embedders.1.model."
        texts.append(Text("text_encoder_2", prefix, "open_clip", True, "!", config))
    return Family(
        name="tiny",
        context=pipeline.unet.config.cross_attention_dim,
        pipelines={"4": type(pipeline).__name__, "9": "StableDiffusionInpaintPipeline"},
        options={}
        if xl
        else {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False},
        prediction_type=prediction_type,
        sizes={"epsilon": 16, "v_prediction": 24},
        unet=unet,
        vae={name: pipeline.vae.config[name] for name in vae},
        scheduler={"class": "DDIMScheduler", "steps_offset": 1, "clip_sample": False},
        texts=tuple(texts),
    )


def _clip(encoder: Any) -> dict[str, Tensor]:
    return {name.removeprefix("text_model."): weight for name, weight in encoder.state_dict().items()}


def _is_xl(pipeline: Any) -> bool:
    return hasattr(pipeline, "text_encoder_2")


def _text_config(encoder: Any) -> dict[str, Any]:
    names = (
        "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "projection_dim", "bos_token_id", "eos_token_id", "pad_token_id",
    )  # fmt: skip
    return {name: getattr(encoder.config, name) for name in names}
