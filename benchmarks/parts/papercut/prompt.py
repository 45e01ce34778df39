"""Gain of the right prompt in the prediction of noise."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from vxa import load
from vxa.papercut import Scene, judge, scene


@torch.no_grad()
def measure(scale: float) -> dict[str, Any]:
    """Return the gain on dev scenes, by timestep.

    The gain is the share by which the error with the right caption lies below that with another scene's,
    for the same noise. Near zero, the model ignores the prompt.
    """
    pipeline = load("papercut").pipeline
    scenes = [scene(seed, "dev") for seed in range(round(64 * scale))]
    latents, contexts = encode_images(pipeline, scenes), encode_captions(pipeline, scenes)
    gains = {
        str(timestep): gain(pipeline, latents, contexts, timestep)
        for timestep in tqdm((100, 300, 500, 700, 900), "prompt")
    }
    return {"scenes": len(scenes), "gain_by_timestep": gains}


def encode_images(pipeline: Any, scenes: list[Scene]) -> Tensor:
    """Encode the scenes to scaled latents [n, 4, 32, 32], four scenes at a time."""
    pixels = torch.stack([judge.to_tensor(shown.image) for shown in scenes])
    latents = torch.cat([pipeline.vae.encode(part).latent_dist.mode() for part in pixels.split(4)])
    return latents * pipeline.vae.config.scaling_factor


def encode_captions(pipeline: Any, scenes: list[Scene]) -> Tensor:
    """Encode the scenes' captions to contexts [n, 77, channels]."""
    captions = [shown.caption for shown in scenes]
    ids = pipeline.tokenizer(captions, padding="max_length", max_length=77, return_tensors="pt").input_ids
    return pipeline.text_encoder(ids)[0]


def gain(pipeline: Any, latents: Tensor, contexts: Tensor, timestep: int) -> float:
    """Return the share of the error that a scene's caption saves against the caption of the scene before."""
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(timestep))
    timesteps = torch.full((len(latents),), timestep)
    noisy = pipeline.scheduler.add_noise(latents, noise, timesteps)
    right, wrong = (
        (pipeline.unet(noisy, timesteps, context).sample - noise).pow(2).mean()
        for context in (contexts, contexts.roll(1, 0))
    )
    return float(1 - right / wrong)
