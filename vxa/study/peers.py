"""The formulas of other tools, on the attention of the same passes.

Each takes the recorded attention of one picture and a word, and gives that tool's map, float32, over the
image. What was read in their released code, not in their papers:

- **VXA** (the original extension): the mid block; Σ heads Σ tokens, divided by the maximum; blocks of pixels.
- **daam** 0.2.0: see `vxa.daam`, which this is.
- **kousw** (stable-diffusion-webui-daam): heads summed at 64 cells on the longer side, bicubic and not
  clamped; the mean over the layers of each grid; then the sum over grids and steps (here their mean).
- **attention-map-diffusers** 1.0.0: heads averaged, layers brought to the largest grid by linear
  interpolation and averaged, of the last step alone unless all are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vxa.attention.sites import Site
from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.daam import daam_heat_map

Values = NDArray[np.float32]
Formula = Callable[[AttentionMaps, str], Values]


def original(maps: AttentionMaps, word: str, sites: str = "mid") -> Values:
    """The original extension's map, of one pass."""
    return maps.heat_map(word, sites=sites, normalize="original").upsampled(resample="nearest")


def daam(maps: AttentionMaps, word: str, sites: str = "all") -> Values:
    """daam's global heat map of a word, from those of the sites that it reads."""
    chosen = replace(maps, sites=maps.select_sites(sites))
    return _over_image(maps, torch.tensor(daam_heat_map(chosen, word).values), "bicubic")


def kousw(maps: AttentionMaps, word: str, sites: str = "all") -> Values:
    """The map of daam's webui script."""
    grids: dict[int, list[Tensor]] = {}
    for site in maps.select_sites(sites):
        layer = _resized(_by_head(maps, word, site), _within_64(maps.latent_size), "bicubic")
        grids.setdefault(site.factor, []).append(layer.sum(0))
    total = torch.stack([torch.stack(layers).mean(0) for layers in grids.values()]).sum(0)
    return _over_image(maps, total, "bicubic")


def attention_map_diffusers(
    maps: AttentionMaps, word: str, sites: str = "all", steps: Literal["last", "all"] = "last"
) -> Values:
    """attention-map-diffusers' spatial map of a word's tokens."""
    kept = maps if steps == "all" else maps.of_bins((len(maps.steps) - 1,))
    wanted = kept.select_sites(sites)
    size = max((site.grid(kept.latent_size) for site in wanted), key=math.prod)
    layers = [_resized(_by_head(kept, word, site), size, "bilinear").mean(0) for site in wanted]
    return _over_image(kept, torch.stack(layers).mean(0), "bilinear")


def _by_head(maps: AttentionMaps, word: str, site: Site) -> Tensor:
    """The word's map, the mean of its tokens, in each of a site's heads: [heads, h, w]."""
    record = maps.records[site.name]
    tokens = [index for found in maps.find_words(word) for index in found.tokens]
    return torch.stack([record.tokens(tokens, (head,)).mean(0) for head in range(record.heads)])


def _resized(heads: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    return F.interpolate(heads[:, None], size=size, mode=mode, align_corners=False)[:, 0]


def _within_64(latent_size: tuple[int, int]) -> tuple[int, int]:
    height, width = latent_size
    longer = max(height, width)
    return 64 * height // longer, 64 * width // longer


def _over_image(maps: AttentionMaps, values: Tensor, mode: str) -> Values:
    """The map over the image; papercut's pictures fill their plane, so nothing is cropped."""
    assert maps.extent == (1.0, 1.0)
    over = _resized(values[None], maps.image_size, mode)[0]
    return np.asarray(over.numpy(), np.float32)
