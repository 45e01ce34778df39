"""The attention sites of a UNet of ldm's shape, in run order, under the names webui users know.

Here the names are the modules' own: IN04 is `input_blocks.4`, M00 `middle_block`, OUT05 `output_blocks.5`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from vxa.attention.sites import Part, Site
from vxa.models.unet import numbered, transformer_sites

__all__ = ["ldm_sites", "level_factors"]


def ldm_sites(network: Any) -> tuple[Site, ...]:
    """Every self- and cross-attention site; `index` counts each kind by itself."""
    return numbered(_walk(network))


def level_factors(network: Any) -> list[int]:
    """How often the latent's sides are divided behind each input block: 1, 1, 2, 2, 4 …"""
    factors, factor = [], 1
    for block in network.input_blocks:
        factor *= 2 if any(_halves(module) for module in block.modules()) else 1
        factors.append(factor)
    return factors


def _halves(module: nn.Module) -> bool:
    # A convolution has a pair, a pooling a number.
    return getattr(module, "stride", 1) in (2, (2, 2))


def _walk(network: Any) -> Iterator[Site]:
    """An output block is joined to what an input block gave, the last to the first: so it has its grid.
    It attends before it doubles."""
    factors = level_factors(network)
    for number, (block, factor) in enumerate(zip(network.input_blocks, factors, strict=True)):
        yield from _block_sites(block, f"input_blocks.{number}", "down", factor, f"IN{number:02d}")
    yield from _block_sites(network.middle_block, "middle_block", "mid", factors[-1], "M00")
    for number, (block, factor) in enumerate(zip(network.output_blocks, reversed(factors), strict=True)):
        yield from _block_sites(block, f"output_blocks.{number}", "up", factor, f"OUT{number:02d}")


def _block_sites(block: nn.Module, name: str, part: Part, factor: int, label: str) -> Iterator[Site]:
    for child, layer in block.named_children():
        yield from transformer_sites(layer, f"{name}.{child}", part, factor, label)
