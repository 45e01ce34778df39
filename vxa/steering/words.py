"""Words, heads and layers made stronger, weaker, or left out.

`Reweight` multiplies what the words paint, c · A V (Hertz et al. 2022, attention re-weighting); `Emphasize`
has the words looked at c times as much, softmax(q kᵀ + log c), so that other words get less; `Ablate` leaves
words, heads or whole layers out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vxa.attention.sites import SiteSpec
from vxa.errors import SettingError
from vxa.maps.selection import head_indices
from vxa.settings import setting
from vxa.steering.control import Compute, Control, Pass, SteeredCall, mentions, token_indices
from vxa.tokens import Token, split_phrases

__all__ = ["Ablate", "Emphasize", "Reweight"]


@dataclass(eq=False)
class _WordControl(Control):
    """Base of controls with a factor for each word."""

    words: Mapping[str, float] = setting(dict, "Words", "Words with their factors, as in red*2, hat*0.5.")
    sites: SiteSpec = setting("all", "Layers", "Cross-attention layers (sites) that are changed.")

    kind = "cross"

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__
        if not self.words:
            raise SettingError(f'{name} has no words; give some with their factors, as {{"hat": 2.0}}')
        for word, factor in self.words.items():
            if not 0 <= factor <= 100:
                raise SettingError(f"{name}: the factor of {word!r} is {factor!r}; give 0 to 100")

    def begin(self) -> None:
        """Find the words in each prompt that has them."""
        self._factors = _factors(self.generation.tokens, self.words)


@dataclass(eq=False)
class Reweight(_WordControl):
    """More, or less, of what words paint: their attention times a factor."""

    def attend(self, call: SteeredCall, run: Pass, compute: Compute) -> Tensor:
        """Return the product with the words' attention multiplied."""
        edited = call
        for image, place in self.find_rows(call, run).items():
            if (self._factors[image] != 1).any():
                edited = edited.mapped(place, torch.diag(self._factors[image].to(call.query.device)))
        return compute(edited)


@dataclass(eq=False)
class Emphasize(_WordControl):
    """Words that are looked at more, or less, in place of the others."""

    def attend(self, call: SteeredCall, run: Pass, compute: Compute) -> Tensor:
        """Return the product with the logarithm of the factors added to the words' logits."""
        rows = self.find_rows(call, run)
        changed = {place: image for image, place in rows.items() if (self._factors[image] != 1).any()}
        if not changed:
            return compute(call)
        bias = call.query.new_zeros(len(call.places), 1, 1, call.key.shape[2])
        for place, image in changed.items():
            bias[call.places.index(place)] = self._factors[image].log().to(bias)
        return compute(call.biased(bias))


@dataclass(eq=False)
class Ablate(Control):
    """Words, heads or layers left out, to see what they do.

    Words get no attention, which goes to the others; heads give zeros; without words or heads, the layers
    give zeros.
    """

    words: str = setting("", "Words", "Words that are left out, as in hat, scarf.")
    heads: str = setting("", "Heads", "Heads that are left out, as in 0, 3-5.")
    sites: SiteSpec = setting("all", "Layers", "Attention layers (sites) in which they are left out.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.words and not self.heads and self.sites == "all":
            raise SettingError('Ablate leaves nothing out; give words, heads or sites, as words="hat"')

    def begin(self) -> None:
        """Find the words in each prompt that has them."""
        phrases = dict.fromkeys(split_phrases(self.words), 0.0) if self.words else {}
        self._factors = _factors(self.generation.tokens, phrases) if phrases else []

    def attend(self, call: SteeredCall, run: Pass, compute: Compute) -> Tensor:
        """Return the product without them."""
        if self.words and call.site.kind == "self":
            return compute(call)
        if self.words:
            call = self._without_words(call, run)
        if self.words and not self.heads:
            return compute(call)
        product = compute(call).clone()
        heads = head_indices(self.heads, product.shape[1])
        if heads is None:
            return product.zero_()
        product[:, list(heads)] = 0
        return product

    def _without_words(self, call: SteeredCall, run: Pass) -> SteeredCall:
        rows = self.find_rows(call, run)
        bias = call.query.new_zeros(len(call.places), 1, 1, call.key.shape[2])
        for image, place in rows.items():
            hidden = (self._factors[image] == 0).to(bias.device)
            bias[call.places.index(place), ..., hidden] = -math.inf
        return call.biased(bias) if bias.any() else call


def _factors(prompts: Sequence[Sequence[Token]], words: Mapping[str, float]) -> list[Tensor]:
    """Return the factor of each token of each prompt. Raises WordError for a word that none of them has."""
    factors = [torch.ones(len(tokens)) for tokens in prompts]
    for word, factor in words.items():
        having = [number for number, tokens in enumerate(prompts) if mentions(tokens, word)]
        for number in having or range(1):
            factors[number][list(token_indices(prompts[number], word, "words"))] = factor
    return factors
