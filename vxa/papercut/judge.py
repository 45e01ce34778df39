"""The judge: a small network that segments pictures of the papercut world.

It labels generated pictures, for which no exact masks exist. It never sees the diffusion model's attention.
It is trained on rendered scenes and on their reconstructions by the autoencoder, and is itself evaluated on
renders before anything is measured with it.
"""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from .nouns import GROUNDS, NOUNS
from .shipped import WEIGHTS

CLASSES = (*GROUNDS, *NOUNS)
"""Classes of a pixel: a ground, or the noun of the topmost sheet. A person's own pixels are face and hands;
hair, neck, shirt and accessories are classes of their own."""

PRESENT = 0.01
"""Smallest share of the picture at which a noun counts as present."""

FIGURE = ("girl", "boy", "hair", "neck", "shirt", "hat", "crown", "glasses", "scarf")
JUDGE_WEIGHTS = WEIGHTS / "judge.safetensors"


class Block(nn.Module):
    """A residual block of two convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.conv1, self.conv2 = (
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))  # type: ignore[no-any-return]


class Judge(nn.Module):
    """A network from pictures [n, 3, h, w] in [−1, 1] to logits [n, classes, h/2, w/2].

    h and w are multiples of 16."""

    def __init__(self, widths: tuple[int, ...] = (32, 64, 96, 128)) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 4, stride=2, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in itertools.pairwise(widths))
        self.encode = nn.ModuleList(Block(w) for w in widths)
        self.bottom = Block(widths[-1])
        self.up = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in itertools.pairwise(widths))
        self.decode = nn.ModuleList(Block(w) for w in widths[:-1])
        self.head = nn.Conv2d(widths[0], len(CLASSES), 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = [self.encode[0](self.stem(x))]
        for down, block in zip(self.down, list(self.encode)[1:], strict=True):
            skips.append(block(down(skips[-1])))
        x = self.bottom(skips.pop())
        for up, block in zip(reversed(self.up), reversed(self.decode), strict=True):
            x = block(F.interpolate(up(x), scale_factor=2.0) + skips.pop())
        return self.head(x)  # type: ignore[no-any-return]


@cache
def load_judge() -> Judge:
    """Load the shipped judge once, in float32 on the CPU."""
    from safetensors.torch import load_file

    network = Judge()
    network.load_state_dict({k: v.float() for k, v in load_file(JUDGE_WEIGHTS).items()})
    return network.eval()


def to_tensor(image: Image.Image) -> Tensor:
    """Return the image as float32 [3, h, w] in [−1, 1]."""
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).float() / 127.5 - 1


@torch.no_grad()
def label(image: Image.Image, judge: Judge | None = None) -> np.ndarray:
    """Return int64 [h, w]: the index in `CLASSES` of every pixel. h and w must be multiples of 16."""
    logits = (judge or load_judge())(to_tensor(image)[None])
    logits = F.interpolate(logits, scale_factor=2.0, mode="bilinear", align_corners=False)
    return np.asarray(logits[0].argmax(0).numpy())


def mask(labels: np.ndarray, noun: str) -> np.ndarray:
    """Return the mask of a noun, bool [h, w].

    A person's mask is the whole figure: its own pixels with hair, neck, shirt and accessories. It is
    empty if there are no pixels of its own. Raises ValueError for a word that is no class."""
    if noun not in CLASSES:
        raise ValueError(f"{noun!r} is not one of the judge's classes: {', '.join(CLASSES)}")
    own = labels == CLASSES.index(noun)
    if noun not in ("girl", "boy") or not own.any():
        return np.asarray(own)
    parts = [CLASSES.index(name) for name in FIGURE if name not in ("girl", "boy")]
    return np.asarray(own | np.isin(labels, parts))


def present(labels: np.ndarray, noun: str) -> bool:
    """Return whether the noun's own pixels cover at least `PRESENT` of the picture."""
    return bool((labels == CLASSES.index(noun)).mean() >= PRESENT)
