"""Putting trained weights into the package, in fp16."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline

from .tokenizer import write_tokenizer


def ship(folder: Path, package: Path) -> None:
    """Copy what `folder` holds of a pipeline, an autoencoder and a judge into the package's weights.

    The autoencoder replaces the pipeline's when both are there: its decoder may have been trained on, with
    the encoder, and so the latents, as they were. Raises FileNotFoundError where there is nothing to ship."""
    source = folder / "pipeline" if (folder / "pipeline").exists() else package
    pipeline = StableDiffusionPipeline.from_pretrained(source)
    if (folder / "vae").exists():
        vae = AutoencoderKL.from_pretrained(folder / "vae")
        vae.register_to_config(scaling_factor=pipeline.vae.config.scaling_factor)
        pipeline.register_modules(vae=vae)
    pipeline.to(torch.float16).save_pretrained(package, safe_serialization=True)
    # transformers 5 saves a file of its own format; CLIP's files are read by it and by what is older.
    (package / "tokenizer" / "tokenizer.json").unlink(missing_ok=True)
    write_tokenizer(package / "tokenizer")
    if (folder / "judge.safetensors").exists():
        shutil.copy2(folder / "judge.safetensors", package / "judge.safetensors")
