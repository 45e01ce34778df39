"""Local blend of prompt-to-prompt: the source's latent everywhere but where the named words are.

Hertz et al. (2022), section 4: the words' cross-attention, summed over the steps so far, pooled by a maximum
over 3×3, divided by its maximum and thresholded; the union of source and target; after a fifth of the steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from vxa.attention.sites import Site, select_sites
from vxa.attention.steered import SteeredCall
from vxa.models.session import Pass
from vxa.steering.control import Generation

__all__ = ["Blend"]

_FROM = 0.2
"""Share of the steps after which the latents are blended."""


class Blend:
    """Running maps of the words that may change.

    Args:
        generation: the generation.
        words: the tokens of each image that name what may change; empty for no blend.
        threshold: of a map, as a share of its maximum.
    """

    def __init__(self, generation: Generation, words: Mapping[int, Sequence[int]], threshold: float) -> None:
        self._generation, self._words, self._threshold = generation, words, threshold
        cross = [site for site in generation.sites if site.kind == "cross"]
        self._sites = select_sites(cross, generation.default_sites, generation.latent_size) if words else ()
        self._maps: dict[int, Tensor] = {}

    def read(self, site: Site, calls: Sequence[SteeredCall], rows: Mapping[int, int]) -> None:
        """Add what each image's row attends to at a layer; `rows` has its place in the batch."""
        if site not in self._sites:
            return
        for image, tokens in self._words.items():
            place = rows.get(image)
            if place is None:
                continue
            with torch.no_grad():
                maps = [call.probabilities(place) for call in calls if place in call.places]
                attention = torch.stack(maps).sum(0)[..., list(tokens)].mean((0, 2))
            grid = attention.reshape(1, 1, *site.grid(self._generation.latent_size))
            size = self._generation.latent_size
            raised = functional.interpolate(functional.max_pool2d(grid, 3, 1, 1), size, mode="nearest")[0, 0]
            self._maps[image] = self._maps[image] + raised if image in self._maps else raised

    def apply(self, latents: Tensor, run: Pass) -> Tensor:
        """Return latents [images, channels, h, w] that are the first's but where the words are."""
        if not self._words or run.step + 1 < _FROM * self._generation.steps or 0 not in self._maps:
            return latents
        masks = {image: each > self._threshold * each.max() for image, each in self._maps.items()}
        blended = latents.clone()
        for image in range(1, len(latents)):
            if image in masks:
                mask = (masks[0] | masks[image]).to(latents.device)
                blended[image] = torch.where(mask, latents[image], latents[0])
        return blended
