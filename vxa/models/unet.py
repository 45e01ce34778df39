"""The attention sites of a diffusers-shaped UNet, in run order, labelled as in the webui.

The webui numbers ldm's blocks: IN00 is the first convolution, then one number for each residual layer and one
for each downsampling; M00 is the middle; OUT00 … one for each residual layer on the way up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from vxa.attention.sites import Kind, Part, Site

_KINDS: tuple[tuple[str, Kind], ...] = (("attn1", "self"), ("attn2", "cross"))


def unet_sites(unet: Any) -> tuple[Site, ...]:
    """Return every self- and cross-attention site in run order; each kind has its own `index`."""
    return number_sites(_walk(unet))


def usual_sites(sites: Sequence[Site]) -> str:
    """Return the default choice of sites: those at a quarter of the latent's sides, or all if there are none.

    Their grid is 16×16 for SD1 at 512² and 32×32 for SDXL at 1024²; Prompt-to-Prompt and Attend-and-Excite
    read their maps there.
    """
    return "f4" if any(site.factor == 4 for site in sites) else "all"


def native_latent(unet: Any) -> tuple[int, int] | None:
    """Return the (height, width) of the latents that the network was made for, if it says so."""
    size = getattr(unet.config, "sample_size", None)
    if size is None:
        return None
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def number_sites(walk: Iterable[Site]) -> tuple[Site, ...]:
    """Number the sites, given in run order, by `index` among those of their kind."""
    counts: dict[Kind, int] = {"self": 0, "cross": 0}
    sites = []
    for site in walk:
        sites.append(replace(site, index=counts[site.kind]))
        counts[site.kind] += 1
    return tuple(sites)


def transformer_sites(attention: Any, name: str, part: Part, factor: int, label: str) -> Iterator[Site]:
    """Yield the sites of one spatial transformer, whose module is called `name`, without their `index`."""
    depth = getattr(attention, "transformer_blocks", ())
    for place, transformer in enumerate(depth):
        suffix = f".{place}" if len(depth) > 1 else ""
        for attribute, kind in _KINDS:
            module = getattr(transformer, attribute, None)
            if module is not None:
                path = f"{name}.transformer_blocks.{place}.{attribute}"
                yield Site(path, kind, part, 0, module.heads, factor, label + suffix)


def _walk(unet: Any) -> Iterator[Site]:
    """Yield the sites in run order: down, mid, up; a block's attention runs before its resampling."""
    factor, number = 1, 1
    for position, block in enumerate(unet.down_blocks):
        yield from _block_sites(block, f"down_blocks.{position}", "down", factor, "IN", number)
        number += len(block.resnets)
        if getattr(block, "downsamplers", None):
            factor, number = factor * 2, number + 1
    if unet.mid_block is not None:
        yield from _block_sites(unet.mid_block, "mid_block", "mid", factor, "M", 0)
    number = 0
    for position, block in enumerate(unet.up_blocks):
        yield from _block_sites(block, f"up_blocks.{position}", "up", factor, "OUT", number)
        number += len(block.resnets)
        if getattr(block, "upsamplers", None):
            factor //= 2


def _block_sites(block: Any, name: str, part: Part, factor: int, prefix: str, number: int) -> Iterator[Site]:
    for layer, attention in enumerate(getattr(block, "attentions", None) or ()):
        label = f"{prefix}{number + layer:02d}"
        yield from transformer_sites(attention, f"{name}.attentions.{layer}", part, factor, label)
