"""The tokens of embeddings that another program made, checked against their text position by position.

A text encoder's attention is causal: what stands at a position depends on nothing after it. So however a
prompt was cut, each chunk is found in three steps.

1. Its begin-of-text has the same encoding in every chunk.
2. The prompt's next tokens are encoded after it. The chunk ends where they no longer fit.
3. The chunk is encoded with its end and padding, and every position must fit.

The weights of words are left open (`vxa.models.embedding_fit`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor

from vxa.errors import PromptError
from vxa.models.chunks import CHUNK, ROOM
from vxa.models.clip import TextEncoder
from vxa.models.embedding_fit import EncoderPart, WeightedIds, sines
from vxa.models.prompt_syntax import readings
from vxa.tokens import Token

__all__ = ["EmbeddedPrompt", "read_embeddings"]


@dataclass(frozen=True)
class EmbeddedPrompt:
    """A prompt as its embeddings have it.

    Attributes:
        tokens: one for each position.
        ids: the ids of the whole prompt, of which the last may have been cut off.
        is_shared: whether the second text encoder read the same text, or there is none.
    """

    tokens: tuple[Token, ...]
    ids: tuple[int, ...]
    is_shared: bool


@torch.no_grad()
def read_embeddings(
    encoders: Sequence[TextEncoder], prompt: str, embeddings: Tensor, device: torch.device
) -> EmbeddedPrompt:
    """Return the tokens of the prompt's embeddings [positions, channels].

    Raises:
        PromptError: the embeddings are not the prompt's, in any known way to cut and weight it.
    """
    widths = [int(encoder.encoder.config.hidden_size) for encoder in encoders]
    if sum(widths) != embeddings.shape[1]:
        raise PromptError(
            f"the embeddings have {embeddings.shape[1]} channels, and the pipeline's text encoders give "
            f"{sum(widths)}: they are of another model; give the Tokens themselves"
        )
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        pairs = zip(encoders, torch.split(embeddings, widths, dim=1), strict=True)
        return _read([EncoderPart(*pair, device) for pair in pairs], prompt)


def _read(parts: Sequence[EncoderPart], prompt: str) -> EmbeddedPrompt:
    first, reached = parts[0], 0
    texts = [text for each in readings(prompt) for text in WeightedIds.all_of(first.encoder, each)]
    for text, layer in product(texts, first.layers):
        try:
            chunks = _Walk(first, layer, text).chunks()
        except _Misfit as misfit:
            reached = max(reached, misfit.position)
            continue
        is_shared = all(_is_read(part, chunks, text) for part in parts[1:])
        return EmbeddedPrompt(_tokens(first, chunks, text), tuple(text.ids), is_shared)
    positions = len(first.given)
    if not first.layers:
        raise PromptError(
            f"the embeddings of {positions} positions do not begin as the pipeline's text encoder begins any "
            "prompt: it has changed since (a LoRA, or its scale), or another made them; make them again with "
            "it, or give one Token for each position"
        )
    raise PromptError(
        f"the prompt {prompt[:80]!r} does not fit its embeddings of {positions} positions from position "
        f"{reached} on, however it is cut or weighted; give the text that they were made of, or one Token "
        'for each position (special="image" for those of an image)'
    )


class _Misfit(Exception):
    """A position of the embeddings that is not what the text has there."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


class _Walk:
    """One reading of the text, followed through one encoder's channels."""

    def __init__(self, part: EncoderPart, layer: int, text: WeightedIds) -> None:
        self._part, self._layer, self._text = part, layer, text
        self._first_end = 0
        self._empty = part.encode(part.empty_row, layer)

    def chunks(self) -> list[list[int]]:
        """Return the ids of each chunk. Raises _Misfit where the text does not fit."""
        found: list[list[int]] = []
        used, ids = 0, self._text.ids
        for start in range(0, self._part.length, CHUNK):
            own = self._content(start, used)
            self.check(start, own, used)
            found.append(own)
            used += len(own)
        left = len(ids) - used
        # What is left over must have had no room.
        if not found or (left and len(found[-1]) + left <= ROOM):
            raise _Misfit(self._part.length)
        return found

    def check(self, start: int, own: Sequence[int], used: int) -> None:
        """Raise _Misfit unless the chunk with these ids fits at every position, with some padding."""
        end, size, worst = len(own) + 1, self._size(start), 0
        if end >= size:
            raise _Misfit(start + size)
        for row in self._part.rows(own):
            fitting = self._fits(start, row[:size], used, len(own))
            fitting[end] |= start > 0 and self._is_first_end(start + end)
            if fitting.all():
                self._first_end = self._first_end or end
                return
            worst = max(worst, int((~fitting).nonzero()[0]))
        raise _Misfit(start + worst)

    def _size(self, start: int) -> int:
        """Return the length of the chunk that begins at `start`; some programs do not fill the last one."""
        size = min(CHUNK, self._part.length - start)
        if size < 2:
            raise _Misfit(start)
        return size

    def _content(self, start: int, used: int) -> list[int]:
        """Return the ids that stand in the chunk: the prompt's next ones, as far as they fit."""
        room = self._size(start) - 2
        following = self._text.ids[used : used + room]
        fitting = self._fits(start, [self._part.begin, *following], used, len(following))
        if not fitting[0]:
            raise _Misfit(start)
        misfits = (~fitting).nonzero()
        return following[: int(misfits[0]) - 1] if len(misfits) else following

    def _fits(self, start: int, row: Sequence[int], used: int, count: int) -> Tensor:
        """Return for each position of the row whether it fits; `count` of the prompt's ids are in it."""
        part, largest = self._part, self._part.largest
        given = part.given[start : start + len(row)]
        plain = self._encode(row, used, count)
        empty = self._empty[: len(row)]
        last = part.given[start + self._size(start) - 1]
        fitting = sines(given, plain, empty, last.expand_as(plain)) <= largest
        for place in range(1, count + 1):
            if self._text.weights[used + place - 1] == 0:  # nothing of the token is left
                rests = (given[place], given[place] - empty[place])
                fitting[place] |= any(bool(rest.norm() <= largest * plain[place].norm()) for rest in rests)
        return fitting

    def _encode(self, row: Sequence[int], used: int, count: int) -> Tensor:
        """Return the row's encoding; where words are weighed down, mixed with those that lack them."""
        part, total = self._part, 1.0
        mixed = part.encode(row, self._layer)
        for lowered, weight in self._text.lowered:
            places = [1 + place - used for place in lowered if used <= place < used + count]
            mixed = mixed + weight * part.encode(row, self._layer, places)
            total += weight
        return mixed / total

    def _is_first_end(self, position: int) -> bool:
        """Return whether the first chunk's end-of-text is there: compel copies it to all chunks."""
        return torch.equal(self._part.given[position], self._part.given[self._first_end])


def _is_read(part: EncoderPart, chunks: Sequence[Sequence[int]], text: WeightedIds) -> bool:
    """Return whether another encoder read the same chunks."""
    for layer in part.layers:
        walk, used = _Walk(part, layer, text), 0
        try:
            for number, own in enumerate(chunks):
                walk.check(CHUNK * number, own, used)
                used += len(own)
        except _Misfit:
            continue
        return True
    return False


def _tokens(part: EncoderPart, chunks: Sequence[Sequence[int]], text: WeightedIds) -> tuple[Token, ...]:
    """Return one Token for each position, with the weights that the text gives."""
    weights = iter(text.weights)
    named = part.encoder.name(chunks)[: part.length]
    tokens = [each if each.special else replace(each, weight=next(weights)) for each in named]
    pad = part.encoder.specials()[2]
    tokens += [Token(index, pad, "<pad>", None, "pad") for index in range(part.length, len(part.given))]
    return tuple(tokens)
