"""ldm's UNet with levels of any width: what papercut's YAML names, since YAML has no such numbers.

ldm makes a level's width by multiplying that of the first with a number of its configuration. One and a
half times 64 is 96.0 there, which is no number of channels; here it is 96. A host imports this by the name
in the YAML, so it imports nothing of VXA and no model library but the one that it is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

__all__ = ["unet"]


class _Times:
    """A factor, whole or not, whose product with the first width is a whole number of channels."""

    def __init__(self, width: int, first: int) -> None:
        self._width = width
        self._first = first

    def __mul__(self, channels: int) -> int:
        return channels * self._width // self._first

    __rmul__ = __mul__


def unet(network: str, widths: Sequence[int], **settings: Any) -> Any:
    """The network of the class `network` ("ldm.….UNetModel") whose levels have `widths` channels.

    Args:
        settings: all else that the class takes, as it takes it.
    """
    module, _, name = network.rpartition(".")
    first = widths[0]
    factors = [_Times(width, first) for width in widths]
    return getattr(import_module(module), name)(model_channels=first, channel_mult=factors, **settings)
