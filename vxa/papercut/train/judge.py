"""Training of the judge on rendered scenes and, once there is an autoencoder, on their reconstructions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from ..judge import CLASSES, Judge
from ..nouns import GROUNDS
from ..scene import Scene, scene
from .loop import Plan, train


def labels_of(shown: Scene) -> np.ndarray:
    """uint8 [256, 256]: the class of every pixel."""
    classes = np.array([CLASSES.index(thing.noun) for thing in shown.things], dtype=np.uint8)
    return np.asarray(classes[shown.labels])


def render_labelled(count: int, first: int, split: str = "train") -> tuple[Tensor, Tensor]:
    """uint8 [count, 3, 256, 256] pictures and uint8 [count, 256, 256] classes."""
    scenes = [scene(first + i, split) for i in tqdm(range(count), "rendering", mininterval=10)]
    pictures = (
        torch.from_numpy(np.stack([np.asarray(s.image) for s in scenes])).permute(0, 3, 1, 2).contiguous()
    )
    return pictures, torch.from_numpy(np.stack([labels_of(s) for s in scenes]))


@torch.no_grad()
def reconstructed(vae: AutoencoderKL, count: int, first: int) -> tuple[Tensor, Tensor]:
    """Train scenes as the autoencoder gives them back, with their classes."""
    pictures, classes = render_labelled(count, first)
    decoded = []
    for picture in tqdm(pictures, "reconstructing", mininterval=10):
        with torch.autocast("cpu", torch.bfloat16):
            latent = vae.encode(picture[None].float() / 127.5 - 1).latent_dist.sample()
            pixels = vae.decode(latent).sample
        decoded.append(((pixels.float() + 1) * 127.5).round().clamp(0, 255).byte())
    return torch.cat(decoded), classes


def spoil(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """The pictures somewhat blurred, noisy and tinted, as decoded ones are: float32 in [−1, 1]."""
    x = pictures.float() / 127.5 - 1
    shape = (len(x), 1, 1, 1)
    small = F.interpolate(x, scale_factor=0.5, mode="area")
    blurred = F.interpolate(small, scale_factor=2.0, mode="bilinear", align_corners=False)
    x = torch.lerp(x, blurred, torch.rand(shape, generator=generator))
    x = x * (1 + 0.08 * torch.randn(shape, generator=generator)) + 0.03 * torch.randn(
        (len(x), 3, 1, 1), generator=generator
    )
    return x + 0.05 * torch.rand(shape, generator=generator) * torch.randn(x.shape, generator=generator)


def judge_loss(judge: Judge, pictures: Tensor, classes: Tensor) -> Tensor:
    """Cross-entropy at full size, in which a pixel of an object weighs four times one of a ground."""
    logits = F.interpolate(judge(pictures).float(), scale_factor=2.0, mode="bilinear", align_corners=False)
    weights = torch.ones(len(CLASSES), device=logits.device)
    weights[: len(GROUNDS)] = 0.25
    return F.cross_entropy(logits, classes.long(), weights)


def train_judge(
    folder: Path,
    steps: int,
    scenes: int,
    seed: int,
    device: str,
    side: int = 160,
    batch: int = 8,
    rate: float = 2e-3,
    start: Judge | None = None,
    more: tuple[Tensor, Tensor] | None = None,
) -> Judge:
    """A trained judge, written to `folder` in fp16. `more` are further pictures with their classes, such as
    reconstructions."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    judge = (start or Judge()).to(device)
    pictures, classes = render_labelled(scenes, first=seed * 1_000_000)
    if more is not None:
        pictures, classes = torch.cat([pictures, more[0]]), torch.cat([classes, more[1]])

    def loss_of(step: int) -> Tensor:
        chosen = torch.randint(0, len(pictures), (batch,), generator=generator)
        y, x = torch.randint(0, pictures.shape[-1] - side + 1, (2,), generator=generator).tolist()
        window = (..., slice(y, y + side), slice(x, x + side))
        return judge_loss(
            judge, spoil(pictures[chosen][window], generator).to(device), classes[chosen][window].to(device)
        )

    train(judge, Plan(steps, rate, warmup=100, average=0.995), loss_of, folder / "judge.checkpoint", device)
    save_file({k: v.half().contiguous() for k, v in judge.state_dict().items()}, folder / "judge.safetensors")
    return judge
