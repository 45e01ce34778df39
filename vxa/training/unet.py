"""Training of the UNet and its text encoder: noise prediction on SD1's schedule, nothing else.

No mask, box or attention map enters the loss, so the attention learns from noise prediction alone. The cheap
steps come first: windows of 16×16 latents, captioned with the things in them; then whole scenes. With
torchrun, every process trains on its own batches, and the gradients are averaged.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from .latents import CROP, GRID, Latents, crop_caption, partial_caption
from .loop import Plan, computes_in_bf16, rank, train
from .networks import text_encoder, unet
from .tokenizer import write_tokenizer

GAMMA = 1.0
"""Signal-to-noise ratio above which timesteps are drawn less often."""

DROPPED = 0.1
"""Share of captions left empty, for classifier-free guidance."""

PARTIAL = 0.2
"""Share of whole scenes whose caption names only one or two things. The world's own captions never name hair
or neck without a person; a prompt may."""


def schedule() -> DDIMScheduler:
    """Build Stable Diffusion 1's scheduler: scaled linear, ε-prediction."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="epsilon",
    )


@dataclass(frozen=True)
class Batches:
    """Batches of scaled latents with token ids: windows while `step < crops`, whole scenes after that.

    `sizes` are the batch sizes of the two."""

    data: Latents
    scale: float
    tokenizer: CLIPTokenizer
    crops: int
    sizes: tuple[int, int]

    def draw(self, step: int, rng: random.Random) -> tuple[Tensor, Tensor]:
        """Draw latents [n, 4, s, s] and ids [n, 77]."""
        crop = step < self.crops
        one = self._window if crop else self._whole
        pairs = [one(rng) for _ in range(self.sizes[0 if crop else 1])]
        captions = ["" if rng.random() < DROPPED else caption for _, caption in pairs]
        ids = self.tokenizer(
            captions, padding="max_length", truncation=True, max_length=77, return_tensors="pt"
        ).input_ids
        return torch.stack([latent.float() for latent, _ in pairs]) * self.scale, ids

    def _whole(self, rng: random.Random) -> tuple[Tensor, str]:
        i = rng.randrange(len(self.data.captions))
        partial = rng.random() < PARTIAL
        return self.data.latents[i], (
            partial_caption(self.data.things[i], rng) if partial else self.data.captions[i]
        )

    def _window(self, rng: random.Random) -> tuple[Tensor, str]:
        i = rng.randrange(len(self.data.captions))
        things, first = self.data.things[i], int(self.data.first[i])
        covers = self.data.covers[first : first + len(things)].float()
        y, x = window_at(covers[rng.randrange(len(things))], rng)
        window = covers[:, y : y + CROP, x : x + CROP].sum((1, 2))
        shares = torch.stack([window / covers.sum((1, 2)).clamp(min=1), window / (255 * CROP * CROP)], 1)
        return self.data.latents[i, :, y : y + CROP, x : x + CROP], crop_caption(things, shares, rng)


def window_at(cover: Tensor, rng: random.Random, jitter: int = 5) -> tuple[int, int]:
    """Choose row and column of a window around the centre of mass of `cover` [32, 32].

    Each is shifted at random by up to `jitter` cells. Uniformly random windows would show mostly grounds."""
    weight = cover.clamp(min=1e-3)
    middle = [(weight.sum(1 - axis) * torch.arange(GRID)).sum() / weight.sum() for axis in (0, 1)]
    at = [round(m.item() - CROP / 2) + rng.randint(-jitter, jitter) for m in middle]
    return tuple(min(max(a, 0), GRID - CROP) for a in at)  # type: ignore[return-value]


def timestep_chances(scheduler: DDIMScheduler) -> Tensor:
    """Return the probability of each timestep [1000].

    Half is uniform, half in proportion to min(SNR, γ) / SNR, the weight of Hang et al. 2023
    (arXiv:2303.09556). Otherwise the noise of nearly clean latents, which depends little on the prompt, would
    dominate the gradient."""
    ratio = scheduler.alphas_cumprod / (1 - scheduler.alphas_cumprod)
    weights = ratio.clamp(max=GAMMA) / ratio
    return 0.5 * weights / weights.sum() + 0.5 / len(weights)


def noise_loss(networks: nn.ModuleDict, latents: Tensor, ids: Tensor, scheduler: DDIMScheduler) -> Tensor:
    """Return the mean squared error of the predicted noise, at timesteps drawn by `timestep_chances`."""
    noise = torch.randn_like(latents)
    timesteps = torch.multinomial(timestep_chances(scheduler), len(latents), replacement=True)
    timesteps = timesteps.to(latents.device)
    noisy = scheduler.add_noise(latents, noise, timesteps)
    states = networks["text_encoder"](ids)[0]
    predicted = networks["unet"](noisy, timesteps, states).sample
    return (predicted.float() - noise).pow(2).mean()


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
    write_tokenizer(folder / "tokenizer")
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    networks = _networks(tokenizer, seed, start, device).to(device)
    scheduler = schedule()
    # A network trained further keeps the scale of the latents that it was trained on.
    scale = start.vae.config.scaling_factor if start else round(float(1 / data.latents.float().std()), 5)
    batches = Batches(data, scale, tokenizer, crops, sizes)

    def loss_of(step: int) -> Tensor:
        # One seed per step and process, so that a resumed run draws the same.
        step_seed = (seed * 1_000_003 + step) * 64 + rank()
        torch.manual_seed(step_seed)
        latents, ids = batches.draw(step, random.Random(step_seed))
        return noise_loss(networks, latents.to(device), ids.to(device), scheduler)

    plan = Plan(steps, rate, warmup=200, average=0.998, slower={"text_encoder": 0.3})
    train(networks, plan, loss_of, folder / "unet.checkpoint", device)
    vae.register_to_config(scaling_factor=scale)
    parts = {"vae": vae, "tokenizer": tokenizer, "scheduler": scheduler, **networks}
    unused = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipeline = StableDiffusionPipeline(**parts, **unused)
    if rank() == 0:
        pipeline.to("cpu", torch.float16).save_pretrained(folder / "pipeline", safe_serialization=True)
    return pipeline


def attend_by_products(denoiser: UNet2DConditionModel, encoder: CLIPTextModel) -> None:
    """Switch to attention by plain matrix products.

    In bf16 on a CPU the fused kernel takes 1.4 times as long, at these grids and with the backward pass (in
    one profile, 0.74 against 0.56 s of a core for a step of 16 windows)."""
    denoiser.set_attn_processor(AttnProcessor())
    encoder.set_attn_implementation("eager")


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
    return nn.ModuleDict({"unet": denoiser, "text_encoder": encoder})
