"""Local blend of prompt-to-prompt: the source's latent everywhere but where the named words are.

Hertz et al. (2022), section 4: outside the union of the words' masks in source and target, after a fifth of
the steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from vxa.models.session import Pass
from vxa.steering.control import Generation
from vxa.steering.word_maps import WordMaps

__all__ = ["Blend"]

_FROM = 0.2


class Blend(WordMaps):
    """Running maps of the words that may change.

    Args:
        generation: the generation.
        words: the tokens of each image that name what may change; empty for no blend.
        threshold: of a map, as a share of its maximum.
        since: the share of the steps after which the latents are blended.
    """

    def __init__(
        self,
        generation: Generation,
        words: Mapping[int, Sequence[int]],
        threshold: float,
        since: float = _FROM,
    ) -> None:
        super().__init__(generation, words, threshold)
        self._since = since * generation.steps

    def apply(self, latents: Tensor, run: Pass) -> Tensor:
        """Return latents [images, channels, h, w] that are the first's but where the words are."""
        source = self.mask(0)
        if source is None or run.step + 1 < self._since:
            return latents
        blended = latents.clone()
        for image in range(1, len(latents)):
            own = self.mask(image)
            if own is not None:
                mask = (source | own).to(latents.device)
                blended[image] = torch.where(mask, latents[image], latents[0])
        return blended
