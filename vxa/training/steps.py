"""The steps of the command: a function each, whose keywords are the options that the step takes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline

from vxa.errors import SettingError
from vxa.papercut.judge import load_judge
from vxa.papercut.shipped import WEIGHTS as SHIPPED

from .decoder import train_decoder, train_decoder_on_stream
from .judge import reconstruct, train_judge
from .latents import make_latents, read_latents
from .machine import rank
from .rendering import render
from .ship import ship
from .stream import DECODER_SIZES, UNET_SIZES, Sizes
from .unet import train_unet, train_unet_on_stream
from .vae import train_vae

FIRST = 10_000_000
"""Seed of the first scene that is encoded to latents."""

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def _vae(
    folder: Path,
    device: str = DEVICE,
    seed: int = 1,
    steps: int = 2300,
    rate: float = 5e-4,
    scenes: int = 1500,
    from_shipped: bool = False,
) -> None:
    start = _load_vae(folder, from_shipped) if from_shipped else None
    train_vae(folder, steps, scenes, seed, device, rate, start)


def _decoder(
    folder: Path,
    device: str = DEVICE,
    seed: int = 1,
    steps: int = 400,
    rate: float = 2e-4,
    scenes: int = 1500,
    from_shipped: bool = False,
) -> None:
    data = read_latents([folder / "latents-0.safetensors"])
    count = min(scenes, len(data.captions))
    vae, pictures = _load_vae(folder, from_shipped), render(count, first=FIRST)
    train_decoder(folder, vae, pictures, data.latents[:count], steps, seed + 1, device, rate)


def _decoder_on_stream(
    folder: Path,
    device: str = DEVICE,
    seed: int = 1,
    steps: int = 3000,
    rate: float = 5e-4,
    from_shipped: bool = False,
    batch: int | None = None,
    workers: int | None = None,
) -> None:
    sizes = _stream_sizes(DECODER_SIZES, device, batch, workers)
    vae = _load_vae(folder, from_shipped)
    train_decoder_on_stream(folder, vae, sizes, steps, seed, device, rate)


def _latents(folder: Path, part: int = 0, scenes: int = 1500, from_shipped: bool = False) -> None:
    vae = _load_vae(folder, from_shipped)
    make_latents(vae, FIRST + part * 1_000_000, scenes, folder / f"latents-{part}.safetensors")


def _unet(
    folder: Path,
    device: str = DEVICE,
    seed: int = 1,
    steps: int = 8800,
    rate: float = 7e-4,
    crops: float = 0.625,
    from_shipped: bool = False,
) -> None:
    data = read_latents(sorted(folder.glob("latents-*.safetensors")))
    vae, start = _load_vae(folder, from_shipped), _load_start(from_shipped)
    train_unet(folder, vae, data, steps, round(steps * crops), seed, device, rate=rate, start=start)


def _unet_on_stream(
    folder: Path,
    device: str = DEVICE,
    seed: int = 1,
    steps: int = 5200,
    rate: float = 7e-4,
    from_shipped: bool = False,
    batch: int | None = None,
    workers: int | None = None,
) -> None:
    sizes = _stream_sizes(UNET_SIZES, device, batch, workers)
    vae, start = _load_vae(folder, from_shipped), _load_start(from_shipped)
    train_unet_on_stream(folder, vae, sizes, steps, seed, device, rate, start)


def _judge(
    folder: Path,
    device: str = DEVICE,
    seed: int = 1,
    steps: int = 1800,
    rate: float = 2e-3,
    scenes: int = 1500,
    from_shipped: bool = False,
) -> None:
    start = load_judge() if from_shipped else None
    first = seed * 1_000_000 + 500_000 + rank() * 100_000
    more = reconstruct(_load_vae(folder, from_shipped), count=max(1, scenes // 3), first=first)
    train_judge(folder, steps, scenes, seed, device, rate=rate, start=start, more=more)


def _ship(folder: Path) -> None:
    ship(folder, SHIPPED)


def _load_vae(folder: Path, from_shipped: bool) -> AutoencoderKL:
    """Load the package's autoencoder, or the one trained in the folder, in float32."""
    return AutoencoderKL.from_pretrained((SHIPPED if from_shipped else folder) / "vae").float()


def _load_start(from_shipped: bool) -> StableDiffusionPipeline | None:
    """Load the package's pipeline if training starts from it."""
    return StableDiffusionPipeline.from_pretrained(SHIPPED) if from_shipped else None


def _stream_sizes(sizes: Mapping[str, Sizes], device: str, batch: int | None, workers: int | None) -> Sizes:
    """Return the sizes of a training on a stream on this device, with those that were given.

    Raises:
        SettingError: the device is none that a stream trains on, or there are several processes.
    """
    if device not in sizes:
        raise SettingError(
            f"a stream trains on cpu or cuda, not on {device!r}; CUDA_VISIBLE_DEVICES chooses among GPUs"
        )
    if device == "cuda" and not torch.cuda.is_available():
        raise SettingError("torch sees no CUDA GPU; give --device cpu, or install torch with CUDA")
    if "RANK" in os.environ:
        raise SettingError("a stream trains in one process; call it without torchrun")
    given = {"batch": batch, "workers": workers}
    return replace(sizes[device], **{name: value for name, value in given.items() if value is not None})


STEPS: dict[str, Callable[..., None]] = {
    "vae": _vae,
    "decoder": _decoder,
    "decoder --stream": _decoder_on_stream,
    "latents": _latents,
    "unet": _unet,
    "unet --stream": _unet_on_stream,
    "judge": _judge,
    "ship": _ship,
}
