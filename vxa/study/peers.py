"""Formulas of other tools, on the attention of the same passes.

Each takes the recorded attention of one picture and a word, and returns that tool's map, float32, over the
image. The formulas are those of the released code, not of the papers:

- **VXA** (the original extension): the mid block; Σ heads Σ tokens, divided by the maximum; upsampled by
  nearest neighbour.
- **daam** 0.2.0: `vxa.maps.daam` computes it.
- **kousw** (stable-diffusion-webui-daam): heads resized to 64 cells on the longer side, bicubic and not
  clamped, and summed; the mean over the layers of each grid; then the sum over grids and steps (here the
  mean over steps).
- **attention-map-diffusers** 1.0.0: heads averaged, layers resized to the largest grid by bilinear
  interpolation and averaged; the last step alone by default, or all steps.
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
    """Return the original extension's map, of one pass."""
    return maps.heat_map(word, sites=sites, normalize="original").upsampled(resample="nearest")


def daam(maps: AttentionMaps, word: str, sites: str = "all") -> Values:
    """Return daam's global heat map of a word, from those of these sites that it reads."""
    subset = replace(maps, sites=maps.select_sites(sites))
    return _over_image(maps, torch.tensor(daam_heat_map(subset, word).values), "bicubic")


def kousw(maps: AttentionMaps, word: str, sites: str = "all") -> Values:
    """Return the map of daam's webui script."""
    grids: dict[int, list[Tensor]] = {}
    for site in maps.select_sites(sites):
        layer = _resize(_by_head(maps, word, site), _within_64(maps.latent_size), "bicubic")
        grids.setdefault(site.factor, []).append(layer.sum(0))
    total = torch.stack([torch.stack(layers).mean(0) for layers in grids.values()]).sum(0)
    return _over_image(maps, total, "bicubic")


def attention_map_diffusers(
    maps: AttentionMaps, word: str, sites: str = "all", steps: Literal["last", "all"] = "last"
) -> Values:
    """Return attention-map-diffusers' spatial map of a word's tokens."""
    of_steps = maps if steps == "all" else maps.of_bins((len(maps.steps) - 1,))
    layer_sites = of_steps.select_sites(sites)
    size = max((site.grid(of_steps.latent_size) for site in layer_sites), key=math.prod)
    layers = [_resize(_by_head(of_steps, word, site), size, "bilinear").mean(0) for site in layer_sites]
    return _over_image(of_steps, torch.stack(layers).mean(0), "bilinear")


def _by_head(maps: AttentionMaps, word: str, site: Site) -> Tensor:
    """Return the word's map, the mean of its tokens, in each of a site's heads: [heads, h, w]."""
    record = maps.records[site.name]
    tokens = [index for each in maps.find_words(word) for index in each.tokens]
    return torch.stack([record.tokens(tokens, (head,)).mean(0) for head in range(record.heads)])


def _resize(heads: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    return F.interpolate(heads[:, None], size=size, mode=mode, align_corners=False)[:, 0]


def _within_64(latent_size: tuple[int, int]) -> tuple[int, int]:
    height, width = latent_size
    longer = max(height, width)
    return 64 * height // longer, 64 * width // longer


def _over_image(maps: AttentionMaps, values: Tensor, mode: str) -> Values:
    """Resize a map to the image; papercut's pictures have no padding, so nothing is cropped."""
    assert maps.extent == (1.0, 1.0)
    resized = _resize(values[None], maps.image_size, mode)[0]
    return np.asarray(resized.numpy(), np.float32)
