"""Settings of one denoising pass over an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from vxa.settings import Settings, setting

__all__ = ["NOISES", "Noise", "PassSettings"]

Noise = Literal["none", "matched"]
NOISES: tuple[str, ...] = get_args(Noise)


@dataclass(frozen=True)
class PassSettings(Settings):
    """Noise level, noise and size of a pass, as `vxa.visualize` takes them."""

    timestep: int = setting(
        50,
        "Timestep",
        "The noise level the model is told, from 0 (clean).",
        low=0,
        step=1,
        entry="VXA timestep",
    )
    noise: Noise = setting(
        "matched",
        "Noise",
        "none shows the model the clean image; matched adds the noise that the timestep means.",
        choices=NOISES,
        entry="VXA noise",
    )
    seed: int = setting(
        0,
        "Noise seed",
        "Seed of the matched noise: the same seed is the same noise.",
        low=0,
        high=2**63 - 1,
        step=1,
        entry="Seed",
    )
    max_side: int = setting(
        1024,
        "Largest side",
        "For the pass the image is scaled down to this many pixels a side.",
        low=1,
        high=2**16,
        step=1,
    )
