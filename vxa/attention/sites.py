"""Attention sites: the names of a UNet's attention layers, and the grammar for choosing some.

A choice is a comma-separated string or a sequence, in any letter case, and means the union of its entries:

    all               every site
    down  mid  up     the sites of one part of the UNet
    OUT05             a block by its name in the webui, IN00 … M00 … OUT11 on SD1; where a block has
                      several layers (SDXL), all of them, and IN07.3 is the fourth
    f4                the sites whose grid is a quarter of the latent's sides, for any image
    24x16             the sites whose grid is 24 rows by 16 columns for this image
    mid_block.attentions.0.transformer_blocks.0.attn2     a layer by its module's name
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from vxa.errors import SiteError

Kind = Literal["self", "cross"]
Part = Literal["down", "mid", "up"]
SiteSpec = str | Sequence[str] | None
SelfAttentionSpec = bool | str | Sequence[str]

REFINING_CELLS = 2048
"""Largest grid, in cells, whose self-attention refines maps. SD1 at 512² and papercut have one of 32×32; the
sum of its attention matrices takes 4 MB."""


@dataclass(frozen=True)
class Site:
    """One attention layer.

    Attributes:
        name: the module's name in the model's network, where it is looked up at call time.
        kind: attn1 is self, attn2 is cross.
        part: the part of the UNet.
        index: position in run order among the sites of its kind, from 0.
        heads: number of attention heads.
        factor: the divisor of the latent's sides: 1, 2, 4, 8.
        label: the block's name in the webui's numbering; the self and cross site of one layer share it.
    """

    name: str
    kind: Kind
    part: Part
    index: int
    heads: int
    factor: int
    label: str

    def grid(self, latent_size: tuple[int, int]) -> tuple[int, int]:
        """Return (height, width) of the site's queries for a latent of (height, width)."""
        return grid_size(latent_size, self.factor)


def grid_size(latent_size: tuple[int, int], factor: int) -> tuple[int, int]:
    """Return the latent's (height, width) halved until divided by `factor`, rounding up at each halving.

    Stride-2 convolutions with a padding of one round up, so 25 rows become 13, 7, 4.
    """
    height, width = latent_size
    while factor > 1:
        height, width, factor = (height + 1) // 2, (width + 1) // 2, factor // 2
    return height, width


def select_sites(
    sites: Sequence[Site], spec: SiteSpec = None, latent_size: tuple[int, int] | None = None
) -> tuple[Site, ...]:
    """Return the sites that `spec` names, in run order (None: all).

    Raises:
        SiteError: an entry is empty, or names no site here; the message lists the sites.
    """
    if spec is None:
        return tuple(sites)
    if not isinstance(spec, Iterable):
        raise SiteError(f"{spec!r} names no site; {_available(sites, latent_size)}")
    entries = spec.split(",") if isinstance(spec, str) else list(spec)
    if not entries:
        raise SiteError(f"no site was given; {_available(sites, latent_size)}")
    chosen: set[Site] = set()
    for entry in entries:
        chosen.update(_select(sites, entry, latent_size))
    return tuple(site for site in sites if site in chosen)


def watched_sites(
    sites: Sequence[Site],
    spec: SiteSpec,
    latent_size: tuple[int, int],
    self_attention: SelfAttentionSpec = False,
) -> tuple[Site, ...]:
    """Return the sites to watch: cross-attention that `spec` names, then self-attention to refine its maps.

    `self_attention` names the latter; True is `finest_self`, False none.

    Raises:
        SiteError: as `select_sites`.
    """
    cross = [site for site in sites if site.kind == "cross"]
    chosen = select_sites(cross, spec, latent_size)
    if self_attention is False:
        return chosen
    if self_attention is True:
        return chosen + finest_self(sites, latent_size)
    own = [site for site in sites if site.kind == "self"]
    return chosen + select_sites(own, self_attention, latent_size)


def finest_self(sites: Sequence[Site], latent_size: tuple[int, int]) -> tuple[Site, ...]:
    """Return the up part's self-attention on its finest grid of ≤ `REFINING_CELLS` cells, or its coarsest.

    With the down part's self-attention added, papercut's maps are less accurate on generated pictures and
    no more accurate on rendered ones, and predict a word's effect less well (benchmarks/papercut.py,
    choices).
    """
    own = [site for site in sites if site.kind == "self" and site.part == "up"]
    grids = sorted({site.grid(latent_size) for site in own}, key=math.prod)
    small = [grid for grid in grids if math.prod(grid) <= REFINING_CELLS] or grids[:1]
    return tuple(site for site in own if site.grid(latent_size) == small[-1])


def _select(sites: Sequence[Site], entry: str, latent_size: tuple[int, int] | None) -> list[Site]:
    key = entry.strip().lower() if isinstance(entry, str) else ""
    if key == "all":
        return list(sites)
    size = re.fullmatch(r"([0-9]{1,5})\s*x\s*([0-9]{1,5})", key)
    if size and latent_size:
        grid = (int(size[1]), int(size[2]))
        found = [site for site in sites if site.grid(latent_size) == grid]
    else:
        found = [site for site in sites if key in _names(site)]
    if not found:
        raise SiteError(_unknown_site(sites, entry, latent_size))
    return found


@lru_cache(maxsize=1024)
def _names(site: Site) -> frozenset[str]:
    label = site.label.lower()
    return frozenset((site.name.lower(), label, label.partition(".")[0], site.part, f"f{site.factor}"))


def _unknown_site(sites: Sequence[Site], entry: str, latent_size: tuple[int, int] | None) -> str:
    names = {name.lower(): name for site in sites for name in (site.label, site.name)}
    entry = entry.strip() if isinstance(entry, str) else entry
    near = difflib.get_close_matches(str(entry).lower(), names, n=3)
    suggestion = f"did you mean {' or '.join(names[name] for name in near)}? " if near else ""
    return f"no site here is called {entry!r}; {suggestion}{_available(sites, latent_size)}"


def _available(sites: Sequence[Site], latent_size: tuple[int, int] | None) -> str:
    labels = list(dict.fromkeys(site.label.partition(".")[0] for site in sites))
    parts = list(dict.fromkeys(site.part for site in sites))
    factors = sorted({site.factor for site in sites})
    groups = ["all", *parts, *(f"f{factor}" for factor in factors)]
    if latent_size:
        groups += ["{}x{}".format(*grid_size(latent_size, factor)) for factor in factors]
    return f"the sites are {', '.join(labels)} and the groups {', '.join(groups)}"
