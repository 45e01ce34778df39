"""Training of papercut's weights: `python -m vxa.training vae|decoder|latents|unet|judge|ship`.

    python -m vxa.training vae
    python -m vxa.training latents --part 0 --scenes 6000
    torchrun --nproc-per-node 2 -m vxa.training unet
    python -m vxa.training judge
    python -m vxa.training decoder
    python -m vxa.training ship

Everything is kept in --folder. An interrupted step resumes from its checkpoint when it is called again.
`--from-shipped` starts from the weights in the package, with a new warm-up, also on another machine.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from torch import distributed

from vxa.papercut.judge import Judge, load_judge
from vxa.papercut.shipped import WEIGHTS as SHIPPED

from .judge import reconstruct, train_judge
from .latents import make_latents, read_latents
from .loop import rank
from .ship import ship
from .unet import train_unet
from .vae import render, train_decoder, train_vae

FIRST = 10_000_000
"""Seed of the first scene that is encoded to latents."""


def main() -> None:
    """Run the step that the command line names."""
    options = _parser().parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if "RANK" in os.environ:
        distributed.init_process_group("gloo")
    STEPS[options.what](options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vxa.training", description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=STEPS)
    parser.add_argument("--folder", type=Path, default=Path("runs/papercut"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, help="number of steps (each training has its own default)")
    parser.add_argument("--rate", type=float, help="peak learning rate")
    parser.add_argument("--scenes", type=int, default=1500, help="number of scenes to render")
    parser.add_argument("--part", type=int, default=0, help="number of the part of the latents to make")
    parser.add_argument("--crops", type=float, default=0.625, help="share of the UNet's steps on windows")
    parser.add_argument("--from-shipped", action="store_true", help="start from the package's weights")
    return parser


def _vae(options: argparse.Namespace) -> None:
    start = _load_vae(options) if options.from_shipped else None
    train_vae(
        options.folder, options.steps or 2300, options.scenes, options.seed, options.device,
        rate=options.rate or 5e-4, start=start,
    )  # fmt: skip


def _decoder(options: argparse.Namespace) -> None:
    data = read_latents([options.folder / "latents-0.safetensors"])
    count = min(options.scenes, len(data.captions))
    vae = _load_vae(options)
    train_decoder(
        options.folder, vae, render(count, first=FIRST), data.latents[:count], options.steps or 400,
        options.seed + 1, options.device, rate=options.rate or 2e-4,
    )  # fmt: skip


def _latents(options: argparse.Namespace) -> None:
    first = FIRST + options.part * 1_000_000
    vae = _load_vae(options)
    make_latents(vae, first, options.scenes, options.folder / f"latents-{options.part}.safetensors")


def _unet(options: argparse.Namespace) -> None:
    data = read_latents(sorted(options.folder.glob("latents-*.safetensors")))
    steps = options.steps or 8800
    start = StableDiffusionPipeline.from_pretrained(SHIPPED) if options.from_shipped else None
    vae = _load_vae(options)
    train_unet(
        options.folder, vae, data, steps, round(steps * options.crops), options.seed, options.device,
        rate=options.rate or 7e-4, start=start,
    )  # fmt: skip


def _judge(options: argparse.Namespace) -> None:
    start: Judge | None = load_judge() if options.from_shipped else None
    vae = _load_vae(options)
    first = options.seed * 1_000_000 + 500_000 + rank() * 100_000
    more = reconstruct(vae, count=max(1, options.scenes // 3), first=first)
    train_judge(
        options.folder, options.steps or 1800, options.scenes, options.seed, options.device,
        rate=options.rate or 2e-3, start=start, more=more,
    )  # fmt: skip


def _ship(options: argparse.Namespace) -> None:
    ship(options.folder, SHIPPED)


def _load_vae(options: argparse.Namespace) -> AutoencoderKL:
    """Load the package's autoencoder, or the one trained in the folder, in float32."""
    return AutoencoderKL.from_pretrained(
        (SHIPPED if options.from_shipped else options.folder) / "vae"
    ).float()


STEPS = {
    "vae": _vae, "decoder": _decoder, "latents": _latents, "unet": _unet, "judge": _judge, "ship": _ship,
}  # fmt: skip


if __name__ == "__main__":
    main()
