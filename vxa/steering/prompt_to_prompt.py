"""Prompt-to-prompt: edit a picture by its prompt, with everything else in place.

Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022). The first prompt makes the
source; the others take over its attention, at each cross-attention layer of the first steps,

    A* = α F(A_source) + (1 - α) A_target        F carries each source token's attention to the target's

and, at self-attention layers, the source's whole map. Only the conditional branch is edited. As attention is
linear in the values, A* V is computed as two products and no probabilities are built. We differ in that one
alignment of words serves replacing and refining (`vxa.steering.alignment`), and in that the blend's mask is
read at the layers that say best where a word is, not at one grid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vxa.attention.sites import Site
from vxa.errors import SettingError, WordError
from vxa.settings import setting
from vxa.steering.alignment import Alignment, align
from vxa.steering.blend import Blend
from vxa.steering.control import Compute, Control, Pass, SteeredCall, mentions, token_indices
from vxa.tokens import Token

__all__ = ["PromptToPrompt", "as_source"]


@dataclass(eq=False)
class PromptToPrompt(Control):
    """Edit of the first prompt's picture by each further prompt of the call.

    Raises SettingError for a value out of range.
    """

    cross_until: float = setting(
        0.8, "Words kept until", "Share of the steps in which the target's words attend as the source's do.",
        low=0, high=1, step=0.05,
    )  # fmt: skip
    self_until: float = setting(
        0.4, "Layout kept until", "Share of the steps in which the target's layout is the source's.",
        low=0, high=1, step=0.05,
    )  # fmt: skip
    words_until: Mapping[str, float] = setting(
        dict, "Single words kept until", "The same share for single words, as in hat*0.3."
    )
    reweight: Mapping[str, float] = setting(
        dict, "Reweight", "Factors of what words of the target paint, as in red*2, hat*0.5."
    )
    replace: bool = setting(
        True, "Replace words", "Let a new word attend where the one in its place did; else as itself."
    )
    local_blend: str = setting(
        "", "Change only", "Words that name what may change, in either prompt: all else stays the source's."
    )
    blend_threshold: float = setting(
        0.3,
        "Blend threshold",
        "Of the map of these words, as a share of its maximum.",
        low=0,
        high=1,
        step=0.05,
    )

    needs_reference = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, low, high in (("words_until", 0, 1), ("reweight", 0, 100)):
            for word, value in getattr(self, name).items():
                if not low <= value <= high:
                    raise SettingError(f"{name} of {word!r} is {value!r}; give a number from {low} to {high}")

    def begin(self) -> None:
        """Align each target with the source."""
        source, *targets = self.generation.tokens
        self._alignments = {n + 1: align(source, each, self.replace) for n, each in enumerate(targets)}
        self._weights = {image: self._weights_of(image) for image in self._alignments}
        self._until = {image: self._until_of(image) for image in self._alignments}
        self._blend = Blend(self.generation, self._blend_words(), self.blend_threshold)

    def _weights_of(self, image: int) -> Tensor:
        """Return the factor of each token of a target."""
        tokens = self.generation.tokens[image]
        weights = torch.ones(len(tokens))
        for word, factor in self.reweight.items():
            weights[list(token_indices(tokens, word, "reweight"))] = factor
        return weights

    def _until_of(self, image: int) -> Tensor:
        """Return the share of steps in which each token of a target follows the source."""
        tokens, alignment = self.generation.tokens[image], self._alignments[image]
        until = torch.full((len(tokens),), self.cross_until)
        for word, share in self.words_until.items():
            until[list(token_indices(tokens, word, "words_until"))] = share
        return until * alignment.follows

    def _blend_words(self) -> dict[int, tuple[int, ...]]:
        """Return the tokens of each image that name what may change."""
        if not self.local_blend:
            return {}
        found: dict[int, tuple[int, ...]] = {}
        phrases = [phrase.strip() for phrase in self.local_blend.split(",")]
        for image, tokens in list(enumerate(self.generation.tokens))[1:]:
            alignment, own, other = self._alignments[image], set[int](), set[int]()
            for phrase in phrases:
                a, b = self._blend_pair(phrase, tokens, alignment)
                own.update(a)
                other.update(b)
            found[image] = tuple(sorted(other))
            found[0] = tuple(sorted({*found.get(0, ()), *own}))
        return found

    def _blend_pair(
        self, phrase: str, target: Sequence[Token], alignment: Alignment
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return a phrase's tokens in the source and in a target, or what is there in its place."""
        source, name = self.generation.tokens[0], "local_blend"
        in_source, in_target = mentions(source, phrase), mentions(target, phrase)
        if not in_source and not in_target:
            raise WordError(
                f"{name}: {phrase!r} is in none of the prompts; name a word of theirs, as it is written there"
            )
        own = token_indices(source, phrase, name) if in_source else ()
        other = token_indices(target, phrase, name) if in_target else ()
        return own or alignment.to_source(other), other or alignment.to_target(own)

    def wants(self, site: Site, run: Pass) -> bool:
        """Return whether the target follows the source in this step, or the blend reads the layer."""
        if site.kind == "self":
            return site.factor >= 2 and run.step < round(self.self_until * self.generation.steps)
        return True

    def attend(self, call: SteeredCall, run: Pass, compute: Compute) -> Tensor:
        """Return the product in which the targets attend as the source does."""
        rows = self.find_rows(call, run)
        if not rows:
            return compute(call)
        source = self.reference_row(rows)
        targets = {image: place for image, place in rows.items() if image}
        if call.site.kind == "self":
            return compute(as_source(call, source, targets.values()))
        return self._attend_to_words(call, run, compute, source, targets)

    def _attend_to_words(
        self, call: SteeredCall, run: Pass, compute: Compute, source: int, targets: Mapping[int, int]
    ) -> Tensor:
        """Return α F(A_source) V + (1 - α) A_target V, with the words' factors."""
        followed = {image: self._followed(image, run) for image in targets}
        first = call if not any(each.any() for each in followed.values()) else as_source(
            call, source, [place for image, place in targets.items() if followed[image].any()]
        )  # fmt: skip
        own: list[SteeredCall] = []
        for image, place in targets.items():
            alpha, weights = followed[image], self._weights[image]
            if alpha.any():
                matrix = self._alignments[image].matrix
                first = first.mapped(place, matrix * (alpha * weights))
                if (alpha < 1).any():
                    own.append(call.only([place]).mapped(place, torch.diag((1 - alpha) * weights)))
            elif (weights != 1).any():
                first = first.mapped(place, torch.diag(weights))
        product = compute(first)
        if own:
            product = product.clone()
        for each in own:
            product[call.places.index(each.places[0])] += compute(each)[0]
        self._blend.read(call.site, [first, *own], {0: source, **targets})
        return product

    def _followed(self, image: int, run: Pass) -> Tensor:
        """Return α of each token of a target in this step: 1 while it follows the source."""
        return (run.step < (self._until[image] * self.generation.steps).round()).float()

    def edit_latents(self, latents: Tensor, run: Pass) -> Tensor:
        """Return latents that are the source's but where the blend's words are."""
        return self._blend.apply(latents, run)


def as_source(call: SteeredCall, source: int, targets: Iterable[int]) -> SteeredCall:
    """Return the call in which the targets' rows ask and offer what the source's does."""
    query, key = call.query.clone(), call.key.clone()
    own = call.places.index(source)
    for place in targets:
        row = call.places.index(place)
        query[row], key[row] = query[own], key[own]
    return call.replace(query=query, key=key)
