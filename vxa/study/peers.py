"""The formulas of other tools, on the attention of the same passes.

Each takes the recorded passes of one picture (one `AttentionMaps` for each step, in order) and a word, and
gives that tool's map, float32, over the image. What was read in their released code, not in their papers:

- **VXA** (the original extension): the mid block; Σ heads Σ tokens, divided by the maximum; blocks of pixels.
- **daam** 0.2.0: every layer and head summed over the steps, brought to the latent's size by bicubic
  interpolation and clamped at 0; their mean; the mid block and grids of an eighth left out; a word is the
  mean of its tokens.
- **kousw** (stable-diffusion-webui-daam): heads summed at 64 cells on the longer side, bicubic and not
  clamped; the mean over the layers of each grid; then the sum over grids and steps.
- **attention-map-diffusers** 1.0.0: heads averaged, layers brought to the largest grid by linear
  interpolation and averaged, of the last step alone unless all are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vxa.attention.site import Site
from vxa.maps import AttentionMaps

Values = NDArray[np.float32]
Passes = Sequence[AttentionMaps]
Formula = Callable[[Passes, str], Values]


def original(passes: Passes, word: str, sites: str = "mid") -> Values:
    """The original extension's map, from the first pass."""
    heat = passes[0].heat_map(word, sites=sites, normalize="original")
    return heat.upsampled(resample="nearest")


def daam(passes: Passes, word: str, sites: str = "down,up") -> Values:
    """daam's global heat map of a word."""
    wanted = [site for site in passes[0].select_sites(sites) if site.factor < 8]
    size = passes[0].latent_size
    layers = [_resized(_steps(passes, word, site), size, "bicubic").clamp(min=0).mean(0) for site in wanted]
    return _over_image(passes[0], torch.stack(layers).mean(0), "bicubic")


def kousw(passes: Passes, word: str, sites: str = "all") -> Values:
    """The map of daam's webui script."""
    grids: dict[int, list[Tensor]] = {}
    for site in passes[0].select_sites(sites):
        layer = _resized(_steps(passes, word, site), _within_64(passes[0].latent_size), "bicubic")
        grids.setdefault(site.factor, []).append(layer.sum(0))
    total = torch.stack([torch.stack(layers).mean(0) for layers in grids.values()]).sum(0)
    return _over_image(passes[0], total, "bicubic")


def attention_map_diffusers(
    passes: Passes, word: str, sites: str = "all", steps: Literal["last", "all"] = "last"
) -> Values:
    """attention-map-diffusers' spatial map of a word's tokens."""
    kept = passes if steps == "all" else passes[-1:]
    wanted = kept[0].select_sites(sites)
    size = max((site.grid(kept[0].latent_size) for site in wanted), key=lambda grid: grid[0] * grid[1])
    layers = [_resized(_steps(kept, word, site), size, "bilinear").mean(0) for site in wanted]
    return _over_image(kept[0], torch.stack(layers).mean(0), "bilinear")


def _steps(passes: Passes, word: str, site: Site) -> Tensor:
    """The word's map in every head of a site, summed over the passes, [heads, h, w]: the mean of its tokens."""
    total: Tensor | int = 0
    for maps in passes:
        tokens = [index for found in maps.find_words(word) for index in found.tokens]
        record = maps.records[site.name]
        total = total + torch.stack([record.tokens(tokens, (head,)).mean(0) for head in range(record.heads)])
    assert isinstance(total, Tensor)
    return total


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
