"""Settings of one denoising pass over an image, and of its inversion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from vxa.settings import Settings, same, setting

__all__ = ["INVERSION_METHODS", "NOISES", "InversionSettings", "Noise", "PassSettings"]

Noise = Literal["none", "matched"]
NOISES: tuple[str, ...] = get_args(Noise)
INVERSION_METHODS = ("ddim", "direct", "null-text", "edit-friendly")


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


@dataclass(frozen=True)
class InversionSettings(Settings):
    """Settings of an image's inversion, as `vxa.invert` takes them.

    Raises SettingError for a value out of range.
    """

    method: str = setting(
        "ddim", "Method", "How the image is inverted; direct makes it again exactly.",
        choices=INVERSION_METHODS,
    )  # fmt: skip
    steps: int = setting(
        20, "Steps", "Steps of the inversion and of the generation.", low=1, high=1000, step=1
    )
    guidance: float = setting(
        5.0, "Guidance", "Guidance scale of the generation, for null-text and edit-friendly.",
        low=0, high=100, step=0.5,
    )  # fmt: skip
    seed: int = setting(0, "Noise seed", "Seed of edit-friendly's noise.", low=0, high=2**63 - 1, step=1)
    iterations: int = setting(
        0, "Iterations", "Fixed-point iterations of each step back, not of edit-friendly's; 0 is plain DDIM.",
        low=0, high=20, step=1,
    )  # fmt: skip
    max_side: int = same(
        PassSettings, "max_side", help="The image is scaled down to this many pixels a side."
    )
