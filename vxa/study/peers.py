"""The formulas of other tools, on the attention of the same passes.

Each takes the recorded passes of one picture and a word, and gives that tool's map, float32, over the image.
What was read in their released code, not in their papers:

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

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vxa.attention.record import SiteRecord
from vxa.attention.site import Site
from vxa.maps import AttentionMaps

Values = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Passes:
    """The recorded passes of one picture, one `AttentionMaps` for each step, in order. The sums that formulas
    share are made once."""

    maps: tuple[AttentionMaps, ...]
    _sums: dict[tuple[str, str], Tensor] = field(default_factory=dict)

    @property
    def first(self) -> AttentionMaps:
        """The first pass: sizes and sites are those of all."""
        return self.maps[0]

    @property
    def last(self) -> Passes:
        """The last pass alone."""
        return Passes(self.maps[-1:])

    def summed(self, word: str, site: Site) -> Tensor:
        """The word's map (the mean of its tokens) in a site's heads, summed over passes: [heads, h, w]."""
        if (word, site.name) not in self._sums:
            tokens = [index for found in self.first.find_words(word) for index in found.tokens]
            self._sums[word, site.name] = sum(
                (_by_head(maps.records[site.name], tokens) for maps in self.maps), torch.zeros(())
            )
        return self._sums[word, site.name]


Formula = Callable[[Passes, str], Values]


def _by_head(record: SiteRecord, tokens: Sequence[int]) -> Tensor:
    return torch.stack([record.tokens(tokens, (head,)).mean(0) for head in range(record.heads)])


def original(passes: Passes, word: str, sites: str = "mid") -> Values:
    """The original extension's map, from the first pass."""
    heat = passes.first.heat_map(word, sites=sites, normalize="original")
    return heat.upsampled(resample="nearest")


def daam(passes: Passes, word: str, sites: str = "down,up") -> Values:
    """daam's global heat map of a word."""
    wanted = [site for site in passes.first.select_sites(sites) if site.factor < 8]
    size = passes.first.latent_size
    layers = [_resized(passes.summed(word, site), size, "bicubic").clamp(min=0).mean(0) for site in wanted]
    return _over_image(passes.first, torch.stack(layers).mean(0), "bicubic")


def kousw(passes: Passes, word: str, sites: str = "all") -> Values:
    """The map of daam's webui script."""
    grids: dict[int, list[Tensor]] = {}
    for site in passes.first.select_sites(sites):
        layer = _resized(passes.summed(word, site), _within_64(passes.first.latent_size), "bicubic")
        grids.setdefault(site.factor, []).append(layer.sum(0))
    total = torch.stack([torch.stack(layers).mean(0) for layers in grids.values()]).sum(0)
    return _over_image(passes.first, total, "bicubic")


def attention_map_diffusers(
    passes: Passes, word: str, sites: str = "all", steps: Literal["last", "all"] = "last"
) -> Values:
    """attention-map-diffusers' spatial map of a word's tokens."""
    kept = passes if steps == "all" else passes.last
    wanted = kept.first.select_sites(sites)
    size = max((site.grid(kept.first.latent_size) for site in wanted), key=math.prod)
    layers = [_resized(kept.summed(word, site), size, "bilinear").mean(0) for site in wanted]
    return _over_image(kept.first, torch.stack(layers).mean(0), "bilinear")


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
