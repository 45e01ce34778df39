"""Cache of the last images' latents, per encoder: another prompt or timestep does not encode the image again.

    latent = cached_latent(vae, pixels, lambda: vae.encode(pixels).latent_dist.mode())

A latent is valid for unchanged weights: after weights are replaced, changed in place or cast, the image is
encoded again. Nothing is cached where changes cannot be seen: for weights on the meta device (offloaded) and
for inference tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain
from threading import Lock
from weakref import ReferenceType, WeakKeyDictionary, ref

import torch
from torch import Tensor, nn

from vxa.recent import Recent

__all__ = ["cached_latent"]

_MOST = 4  # latents per encoder: 64 kB each at 512², 256 kB at 1024²


@dataclass(eq=False)
class _CachedLatents:
    """Latents by the digest of their pixels, and the weights that encoded them."""

    weights: list[tuple[ReferenceType[Tensor], int, torch.dtype]]
    latents: Recent[bytes, Tensor] = field(default_factory=lambda: Recent(_MOST))

    def encoded_by(self, weights: list[Tensor]) -> bool:
        """Return whether `weights` are those that encoded the latents, unchanged."""
        return len(weights) == len(self.weights) and all(
            reference() is weight and (version, dtype) == (weight._version, weight.dtype)
            for (reference, version, dtype), weight in zip(self.weights, weights, strict=True)
        )


_encoders: WeakKeyDictionary[nn.Module, _CachedLatents] = WeakKeyDictionary()
_lock = Lock()


def cached_latent(encoder: nn.Module, pixels: Tensor, encode: Callable[[], Tensor]) -> Tensor:
    """Return the cached latent of the same pixels, or else that of `encode`.

    Args:
        encoder: the module whose weights the latent depends on.
        pixels: the image, on the CPU.
        encode: called to compute the latent.
    """
    weights = [*chain(encoder.parameters(), encoder.buffers())]
    if not weights or any(weight.is_meta or weight.is_inference() for weight in weights):
        return encode()
    key = _digest(pixels)
    with _lock:
        cache = _encoders.get(encoder)
        known = cache.latents.get(key) if cache is not None and cache.encoded_by(weights) else None
    if known is not None:
        return known.clone()  # networks may write into their input
    latent = encode()
    _keep(encoder, weights, key, latent.clone())
    return latent


def _keep(encoder: nn.Module, weights: list[Tensor], key: bytes, latent: Tensor) -> None:
    with _lock:
        cache = _encoders.get(encoder)
        if cache is None or not cache.encoded_by(weights):
            states = [(ref(weight), weight._version, weight.dtype) for weight in weights]
            cache = _encoders[encoder] = _CachedLatents(states)
        cache.latents.put(key, latent)


def _digest(pixels: Tensor) -> bytes:
    values = pixels.detach().cpu().contiguous()
    digest = blake2b(f"{values.dtype} {tuple(values.shape)}".encode())
    digest.update(values.numpy().tobytes())
    return digest.digest()
