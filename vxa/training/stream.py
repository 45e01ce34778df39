"""A stream of scenes: rendered by workers, encoded on the device, kept in a growing pool."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from .latents import encode
from .pool import Pool
from .rendering import Batch, Renderers, to_pixels

TAKEN = 8
"""Batches that are taken from the workers at most, when a round of steps is done."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of a training on a stream.

    `batch` is the number of samples in a step; `workers` that of processes that render, in batches of
    `rendered` scenes. The first step waits for `least` scenes; the pool keeps up to `capacity`. `dev` is the
    number of scenes that are measured on."""

    batch: int
    workers: int
    rendered: int
    least: int
    capacity: int
    dev: int


_WORKERS = max(2, (os.cpu_count() or 2) - 2)

UNET_SIZES = {
    "cuda": Sizes(batch=256, workers=_WORKERS, rendered=16, least=4000, capacity=400_000, dev=64),
    "cpu": Sizes(batch=8, workers=1, rendered=4, least=64, capacity=10_000, dev=16),
}
"""Sizes of the UNet's training by device: those of the GPU made the weights, those of the CPU try it out."""

DECODER_SIZES = {
    "cuda": Sizes(batch=32, workers=_WORKERS, rendered=16, least=800, capacity=40_000, dev=48),
    "cpu": Sizes(batch=2, workers=1, rendered=4, least=16, capacity=400, dev=8),
}
"""Sizes of the decoder's training by device. 40,000 pictures are 8 GB."""


class Stream:
    """The scenes that `source` renders, in a pool on the device.

    `columns` are what is kept of a scene: "latents" (unscaled, fp16), "ids" or "pictures"."""

    def __init__(
        self, source: Renderers, vae: AutoencoderKL, sizes: Sizes, device: str, columns: tuple[str, ...]
    ) -> None:
        self.source, self.vae, self.sizes, self.columns = source, vae, sizes, columns
        self.pool = Pool(sizes.capacity, device)
        while self.pool.seen < sizes.least:
            batch = source.take(wait=True)
            if batch:
                self._add(batch)

    def draw(self) -> dict[str, Tensor]:
        """Draw the samples of one step."""
        return self.pool.draw(self.sizes.batch)

    def take_what_is_there(self) -> None:
        """Move what the workers have rendered, up to `TAKEN` batches, into the pool, without waiting."""
        for _ in range(TAKEN):
            batch = self.source.take(wait=False)
            if batch is None:
                return
            self._add(batch)

    def _add(self, batch: Batch) -> None:
        rows = encode_batch(batch, self.vae, self.pool.device)
        self.pool.add(**{name: rows[name] for name in self.columns})


def encode_batch(batch: Batch, vae: AutoencoderKL, device: str) -> dict[str, Tensor]:
    """Return rendered scenes as tensors on the device.

    They are `pictures` uint8 [n, 3, 256, 256], unscaled `latents` fp16 [n, 4, 32, 32] and `ids` int16
    [n, 4, 77]."""
    pictures = torch.from_numpy(batch.pictures).to(device)
    return {
        "pictures": pictures,
        "latents": encode(vae, to_pixels(pictures)),
        "ids": torch.from_numpy(batch.ids).to(device),
    }
