"""Training of the UNet and its text encoder, on saved latents or on a stream of scenes.

On saved latents the cheap steps come first: windows of 16×16 latents, captioned with the things in them; then
whole scenes. With torchrun, every process trains on its own batches, and the gradients are averaged. A stream
has whole scenes alone.
"""

from __future__ import annotations

import random
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from .batches import Batches
from .captions import SHARES
from .latents import Latents
from .loop import train, train_on_stream
from .machine import computes_in_bf16, rank
from .networks import text_encoder, unet
from .noise import DROPPED, noise_errors, noise_loss, schedule, timestep_chances
from .pool import draw
from .rendering import render_batch, rendering
from .stream import Sizes, Stream, encode_batch
from .tokenizer import token_ids, write_tokenizer
from .trainer import Plan

FIRST = 200_000_000
"""Seed of the first scene of a stream with seed 0."""

DEV = 5000
"""Seed of the first dev scene that is measured on."""


def train_unet(
    folder: Path,
    vae: AutoencoderKL,
    data: Latents,
    steps: int,
    crops: int,
    seed: int,
    device: str,
    sizes: tuple[int, int] = (16, 8),
    rate: float = 7e-4,
    start: StableDiffusionPipeline | None = None,
) -> StableDiffusionPipeline:
    """Train a pipeline and write it to `folder` in fp16: `crops` steps on windows, the rest on whole scenes.

    With `start`, training continues from its networks, with a new warm-up."""
    tokenizer = _tokenizer(folder)
    networks = _networks(tokenizer, seed, start, device)
    scheduler = schedule()
    cumulative = timestep_chances(scheduler).cumsum(0).to(device)
    scale = _scale(start, data.latents)
    batches = Batches(data, scale, tokenizer, crops, sizes)

    def loss_of(step: int) -> Tensor:
        # One seed per step and process, so that a resumed run draws the same.
        step_seed = (seed * 1_000_003 + step) * 64 + rank()
        torch.manual_seed(step_seed)
        latents, ids = batches.draw(step, random.Random(step_seed))
        return noise_loss(networks, latents.to(device), ids.to(device), scheduler, cumulative)

    plan = Plan(steps, rate, warmup=200, average=0.998, slower={"text_encoder": 0.3})
    train(networks, plan, loss_of, folder / "unet.checkpoint", device)
    return _write_pipeline(folder, vae, scale, tokenizer, scheduler, networks)


def train_unet_on_stream(
    folder: Path,
    vae: AutoencoderKL,
    sizes: Sizes,
    steps: int,
    seed: int,
    device: str,
    rate: float = 7e-4,
    start: StableDiffusionPipeline | None = None,
) -> StableDiffusionPipeline:
    """Train a pipeline as `train_unet` does, on whole scenes that are rendered meanwhile.

    `unet-stream.json` in `folder` says what it took, and the error on dev scenes from beginning to end."""
    tokenizer = _tokenizer(folder)
    networks = _networks(tokenizer, seed, start, device)
    scheduler = schedule()
    cumulative = timestep_chances(scheduler).cumsum(0).to(device)
    shares = torch.tensor(SHARES, device=device).cumsum(0)
    empty = token_ids(tokenizer, [""]).to(device)
    vae.to(device).eval().requires_grad_(False)
    with rendering(folder / "tokenizer", sizes.workers, FIRST + seed * 1_000_000, sizes.rendered) as source:
        dev = encode_batch(render_batch(range(DEV, DEV + sizes.dev), "dev", tokenizer), vae, device)
        stream = Stream(source, vae, sizes, device, ("latents", "ids"))
        scale = _scale(start, stream.pool.columns["latents"][: sizes.least])

        def loss_of() -> Tensor:
            rows = stream.draw()
            variants = draw(shares, sizes.batch)
            ids = rows["ids"].gather(1, variants[:, None, None].expand(-1, 1, 77))[:, 0].long()
            dropped = torch.rand(sizes.batch, 1, device=device) < DROPPED
            ids = torch.where(dropped, empty, ids)
            return noise_loss(networks, rows["latents"].float() * scale, ids, scheduler, cumulative)

        def measure() -> dict[str, float]:
            return noise_errors(networks, dev["latents"].float() * scale, dev["ids"][:, 0].long(), scheduler)

        slower = {"text_encoder": 0.3}
        plan = Plan(steps, rate, warmup=300, average=0.9995, checkpoint_every=1000, slower=slower)
        checkpoint = folder / "unet-stream.checkpoint"
        train_on_stream(networks, plan, loss_of, stream, measure, checkpoint, seed, device)
    return _write_pipeline(folder, vae, scale, tokenizer, scheduler, networks)


def attend_by_products(denoiser: UNet2DConditionModel, encoder: CLIPTextModel) -> None:
    """Switch to attention by plain matrix products.

    In bf16 on a CPU the fused kernel takes 1.4 times as long, at these grids and with the backward pass (in
    one profile, 0.74 against 0.56 s of a core for a step of 16 windows)."""
    denoiser.set_attn_processor(AttnProcessor())
    encoder.set_attn_implementation("eager")


def _tokenizer(folder: Path) -> CLIPTokenizer:
    """Write papercut's tokenizer to the folder, and load it."""
    write_tokenizer(folder / "tokenizer")
    return CLIPTokenizer.from_pretrained(folder / "tokenizer")


def _networks(
    tokenizer: CLIPTokenizer, seed: int, start: StableDiffusionPipeline | None, device: str
) -> nn.ModuleDict:
    """Return the UNet and the text encoder: those of `start`, or new ones, the same in every process."""
    torch.manual_seed(seed)
    if start is None:
        encoder = text_encoder(len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id)
        denoiser: UNet2DConditionModel = unet()
    else:
        denoiser, encoder = start.unet.float(), start.text_encoder.float()
    if device == "cpu" and computes_in_bf16(device):
        attend_by_products(denoiser, encoder)
    return nn.ModuleDict({"unet": denoiser, "text_encoder": encoder}).to(device)


def _scale(start: StableDiffusionPipeline | None, latents: Tensor) -> float:
    """Return the factor that gives latents unit spread.

    A network that is trained further keeps the scale of the latents that it was trained on."""
    return start.vae.config.scaling_factor if start else round(float(1 / latents.float().std()), 5)


def _write_pipeline(
    folder: Path,
    vae: AutoencoderKL,
    scale: float,
    tokenizer: CLIPTokenizer,
    scheduler: DDIMScheduler,
    networks: nn.ModuleDict,
) -> StableDiffusionPipeline:
    """Return the trained parts as a pipeline, which the first process writes to the folder in fp16."""
    vae.register_to_config(scaling_factor=scale)
    parts = {"vae": vae, "tokenizer": tokenizer, "scheduler": scheduler, **networks}
    unused = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipeline = StableDiffusionPipeline(**parts, **unused)
    if rank() == 0:
        pipeline.to("cpu", torch.float16).save_pretrained(folder / "pipeline", safe_serialization=True)
    return pipeline
