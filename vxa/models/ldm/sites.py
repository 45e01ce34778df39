"""The attention sites of a UNet of ldm's shape, in run order, labelled as in the webui.

The modules have the same numbers: IN04 is `input_blocks.4`, M00 `middle_block`, OUT05 `output_blocks.5`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from vxa.attention.sites import Part, Site
from vxa.models.unet import number_sites, transformer_sites

__all__ = ["ldm_sites", "level_factors"]


def ldm_sites(network: Any) -> tuple[Site, ...]:
    """Return every self- and cross-attention site in run order; each kind has its own `index`."""
    return number_sites(_walk(network))


def level_factors(network: Any) -> list[int]:
    """Return the divisor of the latent's sides after each input block: 1, 1, 2, 2, 4 …"""
    factors, factor = [], 1
    for block in network.input_blocks:
        factor *= 2 if any(_halves(module) for module in block.modules()) else 1
        factors.append(factor)
    return factors


def _halves(module: nn.Module) -> bool:
    # The stride of a convolution is a pair, that of a pooling a number.
    return getattr(module, "stride", 1) in (2, (2, 2))


def _walk(network: Any) -> Iterator[Site]:
    """Yield the sites in run order: input blocks, middle block, output blocks.

    An output block has the grid of the input block whose output it takes (the first takes the last's); its
    attention runs before its upsampling.
    """
    factors = level_factors(network)
    for number, (block, factor) in enumerate(zip(network.input_blocks, factors, strict=True)):
        yield from _block_sites(block, f"input_blocks.{number}", "down", factor, f"IN{number:02d}")
    yield from _block_sites(network.middle_block, "middle_block", "mid", factors[-1], "M00")
    for number, (block, factor) in enumerate(zip(network.output_blocks, reversed(factors), strict=True)):
        yield from _block_sites(block, f"output_blocks.{number}", "up", factor, f"OUT{number:02d}")


def _block_sites(block: nn.Module, name: str, part: Part, factor: int, label: str) -> Iterator[Site]:
    for child, layer in block.named_children():
        yield from transformer_sites(layer, f"{name}.{child}", part, factor, label)
