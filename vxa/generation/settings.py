"""Settings of a generation."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vxa.errors import SettingError
from vxa.settings import Settings, setting

__all__ = ["GenerationSettings"]

_LARGEST = 4096


@dataclass(frozen=True)
class GenerationSettings(Settings):
    """Settings of a generation.

    The starting noise is drawn on the CPU, so that every device starts from the same.

    Raises SettingError for a value out of range.
    """

    negative: str = setting("", "Negative prompt", "What the picture should not show.")
    seed: int = setting(
        0,
        "Seed",
        "Seed of the starting noise: the same seed is the same picture.",
        low=0,
        high=2**63 - 1,
        step=1,
    )
    steps: int = setting(20, "Steps", "Denoising steps.", low=1, high=1000, step=1)
    guidance: float = setting(
        5.0, "Guidance", "Classifier-free guidance scale; 1 is none.", low=0, high=100, step=0.5
    )
    size: str | None = setting(
        None, "Size", "HEIGHTxWIDTH in pixels; the size the model was made for if blank."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.negative, str):
            raise SettingError(f'negative {self.negative!r} is no text; give one such as "a cat", or ""')
        self.pixels()

    def pixels(self) -> tuple[int, int] | None:
        """Return the (height, width) of `size`; None for the model's own. Raises SettingError."""
        if self.size is None:
            return None
        match = re.fullmatch(r"\s*([0-9]{1,6})\s*[x×]\s*([0-9]{1,6})\s*", str(self.size))
        sides = (int(match[1]), int(match[2])) if match else (0, 0)
        if not all(8 <= side <= _LARGEST and side % 8 == 0 for side in sides):
            raise SettingError(
                f"size {self.size!r} cannot be made; give HEIGHTxWIDTH in multiples of 8 up to {_LARGEST}, "
                "as in 256x384"
            )
        return sides
