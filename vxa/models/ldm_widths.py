"""ldm's UNet with levels of any width: the `target` in papercut's YAML.

ldm computes a level's width as that of the first times a number of its configuration. 1.5 times 64 is 96.0
there, which is not a valid number of channels, and YAML has no number that gives 96; here it is 96. A host
imports this module by the name in the YAML, so it imports nothing of VXA, and no model library but the one
that the YAML names.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

__all__ = ["unet"]


class _Times:
    """Factor, whole or not, whose product with the first width is a whole number of channels."""

    def __init__(self, width: int, first: int) -> None:
        self._width = width
        self._first = first

    def __mul__(self, channels: int) -> int:
        return channels * self._width // self._first

    __rmul__ = __mul__


def unet(network: str, widths: Sequence[int], **settings: Any) -> Any:
    """Return a network of the class `network` ("ldm.….UNetModel") whose levels have `widths` channels.

    Args:
        settings: the other arguments of the class, unchanged.
    """
    module, _, name = network.rpartition(".")
    first = widths[0]
    factors = [_Times(width, first) for width in widths]
    return getattr(import_module(module), name)(model_channels=first, channel_mult=factors, **settings)
