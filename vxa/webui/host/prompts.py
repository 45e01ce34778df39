"""Prompts as the webui reads them: its chunks as tokens, with emphasis and textual inversion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from vxa.models.chunks import CHUNK, name_tokens
from vxa.tokens import Token
from vxa.webui.host.text import condition, piece_reader, prompt_text, text_chunks

__all__ = ["WebuiPrompts", "chunk_tokens"]


class WebuiPrompts:
    """The webui's reading of prompts for a model: a `PromptReader` of `vxa.models.ldm.model`."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def tokens(self, prompt: str) -> tuple[Token, ...]:
        """Return one Token for each position of the prompt's context."""
        return self.text_tokens(prompt_text(prompt))

    def text_tokens(self, text: str) -> tuple[Token, ...]:
        """Return the same for a text that the webui has already parsed out of a prompt."""
        chunks, specials = text_chunks(self._model, text)
        return chunk_tokens(chunks, specials, piece_reader(self._model))

    def condition(self, prompt: str, image_size: tuple[int, int]) -> Tensor | Mapping[str, Any]:
        """Return the webui's conditioning of the prompt, for one image of (height, width)."""
        result: Tensor | Mapping[str, Any] = condition(self._model, prompt_text(prompt), image_size)
        return result


def chunk_tokens(
    chunks: Sequence[Any], specials: tuple[int, int, int], piece_of: Callable[[int], str]
) -> tuple[Token, ...]:
    """Return one Token for each of the 77 positions of each of the webui's chunks.

    Args:
        chunks: each with `tokens` (77 ids), `multipliers` (77 weights) and `fixes` (embeddings of textual
            inversion, each at an `offset` from the first position after the begin-of-text token).
        specials: the ids of begin, end and padding.
        piece_of: returns the vocabulary's piece of an id, in CLIP's form.
    """
    names = _embedding_names(chunks)
    # All vectors of embeddings share the id 0; here each gets an id of its own below zero: minus its index.
    own = [
        [-index if (index := CHUNK * number + place) in names else token for place, token in content]
        for number, content in enumerate(_contents(chunks, specials[1]))
    ]
    named = name_tokens(
        own, specials, lambda token: names[-token] if token < 0 else piece_of(token), {-i for i in names}
    )
    weights = [weight for chunk in chunks for weight in chunk.multipliers]
    first = {index: start for start, count in _embeddings(chunks) for index in range(start, start + count)}
    return tuple(
        replace(
            token,
            weight=float(weight),
            id=max(token.id, 0),
            word=named[first.get(token.index, token.index)].word,
        )
        for token, weight in zip(named, weights, strict=True)
    )


def _contents(chunks: Sequence[Any], end: int) -> list[list[tuple[int, int]]]:
    """Return the (position, id) of each chunk's own tokens, without begin, end and padding."""
    contents = []
    for chunk in chunks:
        filled = max((place for place, token in enumerate(chunk.tokens) if token != end), default=0)
        contents.append([(place, chunk.tokens[place]) for place in range(1, filled + 1)])
    return contents


def _embeddings(chunks: Sequence[Any]) -> list[tuple[int, int]]:
    """Return the first index and the number of vectors of each embedding of textual inversion."""
    return [
        (CHUNK * number + 1 + fix.offset, int(fix.embedding.vectors))
        for number, chunk in enumerate(chunks)
        for fix in chunk.fixes
    ]


def _embedding_names(chunks: Sequence[Any]) -> dict[int, str]:
    """Return each embedding's name at its first index, and a blank at its other indices."""
    fixes = [fix for chunk in chunks for fix in chunk.fixes]
    return {
        index: fix.embedding.name if index == start else ""
        for fix, (start, count) in zip(fixes, _embeddings(chunks), strict=True)
        for index in range(start, start + count)
    }
