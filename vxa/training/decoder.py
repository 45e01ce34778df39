"""Training of the autoencoder's decoder alone, on whole pictures.

The encoder is frozen, so the latents that a UNet was trained on stay valid. Pictures are whole because a
group norm's statistics on a crop differ from those of the picture it is cut from.
"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from .latents import encode
from .loop import train, train_on_stream
from .machine import mixed_precision
from .rendering import render, rendering, to_pixels
from .stream import Sizes, Stream
from .tokenizer import write_tokenizer
from .trainer import Plan

POSTERIOR_SPREAD = 0.04
"""Approximate standard deviation of the trained posterior."""

EDGES = 0.05
"""Weight, on a stream, of the error of the pictures' edges."""

FIRST = 400_000_000
"""Seed of the first scene of a stream with seed 0."""

DEV = 7000
"""Seed of the first dev scene that is measured on."""


def train_decoder(
    folder: Path,
    vae: AutoencoderKL,
    pictures: Tensor,
    latents: Tensor,
    steps: int,
    seed: int,
    device: str,
    rate: float = 2e-4,
) -> AutoencoderKL:
    """Train the decoder on pictures [n, 3, 256, 256] and their latents, and write the autoencoder."""
    torch.manual_seed(seed)
    _freeze_encoder(vae.to(device))

    def loss_of(step: int) -> Tensor:
        index = torch.randint(0, len(pictures), (1,))
        decoded = decode_spread(vae, latents[index].float().to(device))
        return squared_error(decoded, to_pixels(pictures[index]).to(device))

    train(vae, Plan(steps, rate, warmup=20, average=0.98), loss_of, folder / "decoder.checkpoint", device)
    vae.save_pretrained(folder / "vae")
    return vae


def train_decoder_on_stream(
    folder: Path,
    vae: AutoencoderKL,
    sizes: Sizes,
    steps: int,
    seed: int,
    device: str,
    rate: float = 2e-4,
) -> AutoencoderKL:
    """Train the decoder on scenes that are rendered meanwhile, and write the autoencoder.

    `decoder-stream.json` in `folder` says what it took, and the PSNR on dev scenes from beginning to end."""
    write_tokenizer(folder / "tokenizer")
    _freeze_encoder(vae.to(device, memory_format=torch.channels_last))
    with rendering(folder / "tokenizer", sizes.workers, FIRST + seed * 1_000_000, sizes.rendered) as source:
        dev = render(sizes.dev, DEV, "dev").to(device)
        stream = Stream(source, vae, sizes, device, ("latents", "pictures"))

        def loss_of() -> Tensor:
            rows = stream.draw()
            decoded, pixels = decode_spread(vae, rows["latents"].float()), to_pixels(rows["pictures"])
            return squared_error(decoded, pixels) + EDGES * edge_error(decoded, pixels)

        plan = Plan(steps, rate, warmup=100, decay=0.0, average=0.998, checkpoint_every=500)
        checkpoint = folder / "decoder-stream.checkpoint"

        def measure() -> dict[str, float]:
            return {"PSNR": psnr(vae, dev)}

        train_on_stream(vae, plan, loss_of, stream, measure, checkpoint, seed, device)
    vae.save_pretrained(folder / "vae")
    return vae


def decode_spread(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Decode latents with noise as wide as the posterior, float32 [n, 3, 8h, 8w]."""
    return vae.decode(latents + POSTERIOR_SPREAD * torch.randn_like(latents)).sample.float()


def squared_error(decoded: Tensor, pixels: Tensor) -> Tensor:
    """Return the mean squared error of decoded pictures."""
    return (decoded - pixels).pow(2).mean()


def edge_error(decoded: Tensor, pixels: Tensor) -> Tensor:
    """Return the mean absolute error of the differences between neighbours, summed over both directions.

    The squared error alone is indifferent to blur: it prefers a soft edge to a crisp one a pixel off."""
    down, across = ((decoded.diff(dim=axis) - pixels.diff(dim=axis)).abs().mean() for axis in (2, 3))
    return down + across


@torch.no_grad()
def psnr(vae: AutoencoderKL, pictures: Tensor) -> float:
    """Return the mean peak signal-to-noise ratio of reconstructions, in dB, of uint8 pictures."""
    ratios = []
    for part in pictures.split(8):
        pixels = to_pixels(part)
        latents = encode(vae, pixels).float()
        with mixed_precision(pixels.device.type):
            decoded = vae.decode(latents).sample.float().clamp(-1, 1)
        ratios.append(10 * torch.log10(4 / (decoded - pixels).pow(2).mean((1, 2, 3))))
    return round(float(torch.cat(ratios).mean()), 2)


def _freeze_encoder(vae: AutoencoderKL) -> None:
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)
