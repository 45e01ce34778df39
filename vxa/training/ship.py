"""Copying of trained weights into the package, in fp16."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline

from .tokenizer import write_tokenizer


def ship(folder: Path, package: Path) -> None:
    """Copy the pipeline, the autoencoder and the judge that `folder` holds into the package's weights.

    Parts that `folder` lacks stay as the package has them. The autoencoder replaces the pipeline's: its
    decoder may be trained further, while the encoder, and so the latents, are unchanged."""
    source = folder / "pipeline" if (folder / "pipeline").exists() else package
    pipeline = StableDiffusionPipeline.from_pretrained(source)
    if (folder / "vae").exists():
        vae = AutoencoderKL.from_pretrained(folder / "vae")
        vae.register_to_config(scaling_factor=pipeline.vae.config.scaling_factor)
        pipeline.register_modules(vae=vae)
    pipeline.to(torch.float16).save_pretrained(package, safe_serialization=True)
    # transformers 5 adds a file in its own format; CLIP's files are read by it and by older versions.
    (package / "tokenizer" / "tokenizer.json").unlink(missing_ok=True)
    write_tokenizer(package / "tokenizer")
    for path in package.rglob("*.json"):
        _forget_origin(path)
    if (folder / "judge.safetensors").exists():
        shutil.copy2(folder / "judge.safetensors", package / "judge.safetensors")


def _forget_origin(path: Path) -> None:
    """Remove the training machine's paths from a configuration."""
    settings = json.loads(path.read_text("utf-8"))
    if settings.pop("_name_or_path", None) is not None:
        path.write_text(json.dumps(settings, indent=2) + "\n", "utf-8", newline="\n")
