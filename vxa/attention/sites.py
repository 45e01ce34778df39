"""Attention sites: what one attention layer of a UNet is called everywhere, and how to choose some.

The grammar of a choice, in any letter case; a comma-separated string or a sequence is the union:

    all               every site
    down  mid  up     the sites of one part of the UNet
    OUT05             a block by the name webui users know, IN00 … M00 … OUT11 on SD1; where a block holds
                      several layers (SDXL) this is all of them, and IN07.3 the fourth
    f4                the sites whose grid is the latent's halved to a quarter, whatever the image
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
"""Of self-attention, cells of the largest grid that maps are refined by: SD1 at 512² and papercut have 32×32,
and a sum of their matrices takes 4 MB."""


@dataclass(frozen=True)
class Site:
    """One attention layer.

    Attributes:
        name: the module's name in the model's network, where it is looked up at call time.
        kind: attn1 is self, attn2 is cross.
        part: the part of the UNet.
        index: position in run order among the sites of its kind, from 0.
        heads: number of attention heads.
        factor: how often the latent's sides are divided: 1, 2, 4, 8.
        label: the block's name in webui's numbering; a layer's self and cross site share it.
    """

    name: str
    kind: Kind
    part: Part
    index: int
    heads: int
    factor: int
    label: str

    def grid(self, latent_size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of the site's queries for a latent of (height, width)."""
        return grid_size(latent_size, self.factor)


def grid_size(latent_size: tuple[int, int], factor: int) -> tuple[int, int]:
    """The latent's (height, width) after halving `factor` away, rounding up at each halving.

    Stride-2 convolutions with a padding of one round up, so 25 rows become 13, 7, 4.
    """
    height, width = latent_size
    while factor > 1:
        height, width, factor = (height + 1) // 2, (width + 1) // 2, factor // 2
    return height, width


def select_sites(
    sites: Sequence[Site], spec: SiteSpec = None, latent_size: tuple[int, int] | None = None
) -> tuple[Site, ...]:
    """The sites that `spec` names, in run order (None is all of them).

    Raises:
        SiteError: an entry is empty, or names no site here; the message lists what there is.
    """
    if spec is None:
        return tuple(sites)
    if not isinstance(spec, Iterable):
        raise SiteError(f"{spec!r} names no site; {_known(sites, latent_size)}")
    entries = spec.split(",") if isinstance(spec, str) else list(spec)
    if not entries:
        raise SiteError(f"no site was given; {_known(sites, latent_size)}")
    wanted: set[Site] = set()
    for entry in entries:
        wanted.update(_select(sites, entry, latent_size))
    return tuple(site for site in sites if site in wanted)


def watched_sites(
    sites: Sequence[Site],
    spec: SiteSpec,
    latent_size: tuple[int, int],
    self_attention: SelfAttentionSpec = False,
) -> tuple[Site, ...]:
    """Where a pass is watched: the cross-attention that `spec` names, and self-attention to refine its maps.

    `self_attention` names that, too; True is `finest_self`.

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
    """The up part's self-attention of the finest grid with at most `REFINING_CELLS` cells, or the coarsest.

    With that of the down part papercut's maps of generated pictures are less true, and those of rendered ones
    truer; both tell less of what a word does (benchmarks/papercut.py, joined).
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
    return f"no site here is called {entry!r}; {suggestion}{_known(sites, latent_size)}"


def _known(sites: Sequence[Site], latent_size: tuple[int, int] | None) -> str:
    labels = list(dict.fromkeys(site.label.partition(".")[0] for site in sites))
    parts = list(dict.fromkeys(site.part for site in sites))
    factors = sorted({site.factor for site in sites})
    groups = ["all", *parts, *(f"f{factor}" for factor in factors)]
    if latent_size:
        groups += ["{}x{}".format(*grid_size(latent_size, factor)) for factor in factors]
    return f"the sites are {', '.join(labels)} and the groups {', '.join(groups)}"
