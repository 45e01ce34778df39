"""The latents of the last images of each encoder: another prompt or timestep for one of them encodes nothing.

    latent = remembered(vae, pixels, lambda: vae.encode(pixels).latent_dist.mode())

They belong to the encoder's weights as they were: weights that were exchanged, changed in place or cast
encode anew, and so do weights that are not there (offloaded ones), of which nothing can be known.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain
from threading import Lock
from weakref import ReferenceType, WeakKeyDictionary, ref

import torch
from torch import Tensor, nn

__all__ = ["remembered"]

_MOST = 4  # latents of an encoder: 64 kB each at 512², 256 kB at 1024²


@dataclass(eq=False)
class _CachedLatents:
    """Some latents, by what they are of, and the weights that made them."""

    weights: list[tuple[ReferenceType[Tensor], int, torch.dtype]]
    latents: OrderedDict[bytes, Tensor] = field(default_factory=OrderedDict)

    def made_by(self, weights: list[Tensor]) -> bool:
        """Whether the weights are those, unchanged."""
        return len(weights) == len(self.weights) and all(
            known() is weight and (version, dtype) == (weight._version, weight.dtype)
            for (known, version, dtype), weight in zip(self.weights, weights, strict=True)
        )


_encoders: WeakKeyDictionary[nn.Module, _CachedLatents] = WeakKeyDictionary()
_lock = Lock()


def remembered(encoder: nn.Module, pixels: Tensor, encode: Callable[[], Tensor]) -> Tensor:
    """The latent that `encode` makes of the pixels; one that it made of the same pixels lately, if any.

    Args:
        encoder: the module whose weights the latent depends on.
        pixels: what it is of, on the CPU.
        encode: makes it.
    """
    weights = [*chain(encoder.parameters(), encoder.buffers())]
    if not weights or any(weight.is_meta or weight.is_inference() for weight in weights):
        return encode()
    key = _digest(pixels)
    with _lock:
        kept = _encoders.get(encoder)
        if kept is not None and kept.made_by(weights) and key in kept.latents:
            kept.latents.move_to_end(key)
            return kept.latents[key].clone()  # networks may write into what they are given
    latent = encode()
    _keep(encoder, weights, key, latent.clone())
    return latent


def _keep(encoder: nn.Module, weights: list[Tensor], key: bytes, latent: Tensor) -> None:
    with _lock:
        kept = _encoders.get(encoder)
        if kept is None or not kept.made_by(weights):
            made_by = [(ref(weight), weight._version, weight.dtype) for weight in weights]
            kept = _encoders[encoder] = _CachedLatents(made_by)
        kept.latents[key] = latent
        while len(kept.latents) > _MOST:
            kept.latents.popitem(last=False)


def _digest(pixels: Tensor) -> bytes:
    given = pixels.detach().cpu().contiguous()
    digest = blake2b(f"{given.dtype} {tuple(given.shape)}".encode())
    digest.update(given.numpy().tobytes())
    return digest.digest()
