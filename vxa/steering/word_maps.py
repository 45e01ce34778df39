"""Running maps of words while a picture is made: where the things are that they name, as a mask.

    maps = WordMaps(generation, find_things(generation, "hat, scarf", "keep"), threshold=0.3)
    maps.read(site, [call], rows)             # in a control's attend
    maps.mask(0)                              # [h, w], of the latent's size

Hertz et al. (2022), section 4: the words' cross-attention in the layers that say best where a word is, summed
over the steps so far, pooled by a maximum over 3×3, divided by its maximum and thresholded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from vxa.attention.sites import Site, select_sites
from vxa.attention.steered import SteeredCall
from vxa.errors import SteeringError, WordError
from vxa.steering.control import Generation, mentions, token_indices
from vxa.tokens import split_phrases

__all__ = ["WordMaps", "find_things"]


class WordMaps:
    """Running maps of some words of each image.

    Args:
        generation: the generation.
        words: the tokens of each image; none for images that are not read.
        threshold: of a map, as a share of its maximum.
    """

    def __init__(self, generation: Generation, words: Mapping[int, Sequence[int]], threshold: float) -> None:
        self._size, self.words, self._threshold = generation.latent_size, words, threshold
        cross = [site for site in generation.sites if site.kind == "cross"]
        self.sites = select_sites(cross, generation.default_sites, generation.latent_size) if words else ()
        self._maps: dict[int, Tensor] = {}

    def read(self, site: Site, calls: Sequence[SteeredCall], rows: Mapping[int, int]) -> None:
        """Add what each image's row attends to at a layer; `rows` has its place in the batch.

        Raises SteeringError where the network sees a part of the picture.
        """
        if site not in self.sites:
            return
        grid = site.grid(self._size)
        if calls[0].query.shape[2] != grid[0] * grid[1]:
            raise SteeringError(
                "a control looks where words are in the whole picture, and the network is given parts of it "
                "(MultiDiffusion); use one of them, or give the control no words"
            )
        for image, tokens in self.words.items():
            place = rows.get(image)
            if place is None:
                continue
            with torch.no_grad():
                maps = [call.probabilities(place) for call in calls if place in call.places]
                attention = torch.stack(maps).sum(0)[..., list(tokens)].mean((0, 2)).reshape(1, 1, *grid)
            pooled = functional.max_pool2d(attention, 3, 1, 1)
            raised = functional.interpolate(pooled, self._size, mode="nearest")[0, 0]
            self._maps[image] = self._maps[image] + raised if image in self._maps else raised

    def mask(self, image: int) -> Tensor | None:
        """Return where an image's words are, bool [h, w]; None before they were read."""
        found = self._maps.get(image)
        return None if found is None else found > self._threshold * found.max()


def find_things(generation: Generation, phrases: str, name: str) -> dict[int, tuple[int, ...]]:
    """Return the tokens of some phrases in each prompt that has one; `name` is the setting's.

    Raises WordError for a phrase that no prompt has.
    """
    found: dict[int, tuple[int, ...]] = {}
    for phrase in split_phrases(phrases) if phrases else ():
        having = [image for image, tokens in enumerate(generation.tokens) if mentions(tokens, phrase)]
        if not having:
            raise WordError(
                f"{name}: {phrase!r} is in none of the prompts; name a word of theirs, as it is written there"
            )
        for image in having:
            found[image] = found.get(image, ()) + token_indices(generation.tokens[image], phrase, name)
    return found
