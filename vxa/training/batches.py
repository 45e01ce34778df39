"""Batches of the UNet's training on saved latents: windows about a thing, and whole scenes."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from .captions import crop_caption, partial_caption
from .latents import CROP, GRID, Latents
from .noise import DROPPED
from .tokenizer import token_ids

PARTIAL = 0.2
"""Share of whole scenes whose caption names only one or two things. The world's own captions never name hair
or neck without a person; a prompt may."""


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
        latents = torch.stack([latent.float() for latent, _ in pairs])
        return latents * self.scale, token_ids(self.tokenizer, captions)

    def _whole(self, rng: random.Random) -> tuple[Tensor, str]:
        i = rng.randrange(len(self.data.captions))
        partial = rng.random() < PARTIAL
        return self.data.latents[i], (
            partial_caption(self.data.things[i], rng.choice((1, 1, 2)), rng)
            if partial
            else self.data.captions[i]
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
