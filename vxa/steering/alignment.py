"""Alignment of two prompts: which token of the source each token of the target follows.

    found = align(tokens("a red hat"), tokens("a blue hat"))
    found.matrix                  # [source tokens, target tokens]; blue follows red

Prompt-to-prompt's two rules in one: equal words follow each other; words that were replaced by as many words
follow those, one by one, their attention spread evenly over the new word's tokens; any other new word follows
nothing and keeps its own attention. Special tokens follow those of their kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import torch
from torch import Tensor

from vxa.tokens import Token, Word, words

__all__ = ["Alignment", "align"]


@dataclass(frozen=True, eq=False)
class Alignment:
    """Tokens of a target prompt that follow tokens of a source prompt.

    Attributes:
        matrix: float32 [source tokens, target tokens]; a target token's column is zero where it follows none.
    """

    matrix: Tensor

    @property
    def follows(self) -> Tensor:
        """1 for each target token that follows a token of the source, else 0."""
        return (self.matrix.sum(0) > 0).float()

    def to_target(self, indices: Sequence[int]) -> tuple[int, ...]:
        """Return the target's tokens that follow these tokens of the source."""
        return tuple(self.matrix[list(indices)].sum(0).nonzero().flatten().tolist())

    def to_source(self, indices: Sequence[int]) -> tuple[int, ...]:
        """Return the source's tokens that these tokens of the target follow."""
        return tuple(self.matrix[:, list(indices)].sum(1).nonzero().flatten().tolist())


def align(source: Sequence[Token], target: Sequence[Token], replace: bool = True) -> Alignment:
    """Return the alignment of two prompts; without `replace`, a word that was replaced follows nothing."""
    matrix = torch.zeros(len(source), len(target))
    own, other = words(source), words(target)
    first, second = ([word.text.casefold() for word in each] for each in (own, other))
    for kind, a, b, c, d in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        if kind == "equal" or (kind == "replace" and replace and b - a == d - c):
            for one, follower in zip(own[a:b], other[c:d], strict=True):
                _follow(matrix, one, follower)
    for special in ("bos", "eos", "pad", "image"):
        _follow_specials(matrix, source, target, special)
    return Alignment(matrix)


def _follow(matrix: Tensor, source: Word, target: Word) -> None:
    """Make the tokens of one word follow those of another: one by one, or each spread over all."""
    if len(source.tokens) == len(target.tokens):
        for first, second in zip(source.tokens, target.tokens, strict=True):
            matrix[first, second] = 1.0
    else:
        for first in source.tokens:
            matrix[first, list(target.tokens)] = 1.0 / len(target.tokens)


def _follow_specials(matrix: Tensor, source: Sequence[Token], target: Sequence[Token], special: str) -> None:
    """Make special tokens of a kind follow each other in order, and what is left the last one."""
    first, second = ([token.index for token in each if token.special == special] for each in (source, target))
    if first and second:
        for place, index in enumerate(second):
            matrix[first[min(place, len(first) - 1)], index] = 1.0
