"""Prompts of any length: chunks of 77 positions as in AUTOMATIC1111's webui, and their Tokens.

A chunk is begin-of-text, up to 75 tokens, end-of-text, and padding. When a chunk overflows within 20
tokens after a comma, it ends at that comma and the rest moves to the next chunk, so that a phrase is not
split. A concept of several vectors (textual inversion) that does not fit any more moves as a whole. The
chunks' contexts are concatenated; nothing is truncated.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from itertools import takewhile
from types import MappingProxyType
from typing import TYPE_CHECKING

from vxa.tokens import Special, Token

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 77  # CLIP's positions: the length of one chunk's context
ROOM = CHUNK - 2
_BACKTRACK = 20  # the webui's default "padding backtrack"
_WORD_END = "</w>"


def split_chunks(
    ids: Sequence[int], comma: int | None, follows: Mapping[int, int] = MappingProxyType({})
) -> list[list[int]]:
    """Split the prompt's token ids into chunks of at most 75; an empty prompt has one empty chunk.

    Args:
        ids: the prompt's own ids, without specials.
        comma: the comma's id.
        follows: for each further vector of a concept, the id of the vector before it.
    """
    chunks: list[list[int]] = []
    chunk: list[int] = []
    after_comma: int | None = None
    for place, token in enumerate(ids):
        length = _concept_length(ids, place, follows)
        if len(chunk) == ROOM or len(chunk) + length > ROOM >= length > 1:
            keep = len(chunk)
            if (
                keep == ROOM
                and token != comma
                and after_comma is not None
                and ROOM - after_comma < _BACKTRACK
            ):
                keep = after_comma
            chunks.append(chunk[:keep])
            chunk, after_comma = chunk[keep:], None
        chunk.append(token)
        if token == comma:
            after_comma = len(chunk)
    return [*chunks, chunk] if chunk or not chunks else chunks


def _concept_length(ids: Sequence[int], place: int, follows: Mapping[int, int]) -> int:
    """Return the number of vectors of the concept that begins at `place`; 1 for any other token."""

    def goes_on(at: int) -> bool:
        return 0 < at < len(ids) and follows.get(ids[at]) == ids[at - 1]

    return 1 if goes_on(place) else 1 + sum(1 for _ in takewhile(goes_on, range(place + 1, len(ids))))


def pad_context(context: Tensor, empty: Tensor, length: int) -> Tensor:
    """Pad a context [1, tokens, channels] to `length` tokens with that of the empty prompt."""
    import torch

    return torch.cat([context, *[empty] * ((length - context.shape[1]) // empty.shape[1])], 1)


def padded_ids(chunk: Sequence[int], bos: int, eos: int, pad: int) -> list[int]:
    """Return the chunk's 77 ids for the text encoder: begin, the chunk, end, padding."""
    return [bos, *chunk, eos, *[pad] * (ROOM - len(chunk))]


def name_tokens(
    chunks: Sequence[Sequence[int]],
    specials: tuple[int, int, int],
    piece_of: Callable[[int], str],
    whole: Collection[int] = (),
    follows: Mapping[int, int] = MappingProxyType({}),
) -> tuple[Token, ...]:
    """Return one Token for each of the 77 positions of each chunk.

    Args:
        chunks: the prompt's own ids, without specials.
        specials: the ids of begin, end and padding.
        piece_of: the vocabulary's piece for an id, in CLIP's form ("hat</w>").
        whole: ids that are whole words, even without CLIP's word ending (added tokens).
        follows: for each further vector of a concept, the id of the vector before it. A concept is one word
            of all its vectors, with the first one's text.
    """
    tokens: list[Token] = []
    reader = _PieceReader(piece_of, whole, follows)
    for chunk in chunks:
        for position, token_id in enumerate(padded_ids(chunk, *specials)):
            special: Special | None = None
            if position == 0:
                special = "bos"
            elif position > len(chunk):
                special = "eos" if position == len(chunk) + 1 else "pad"
            text, word = (f"<{special}>", None) if special else reader.read(token_id)
            tokens.append(Token(len(tokens), token_id, text, word, special))
    return tuple(tokens)


class _PieceReader:
    """Reader of pieces that gives texts and running word numbers; a word may continue in the next chunk."""

    def __init__(
        self, piece_of: Callable[[int], str], whole: Collection[int], follows: Mapping[int, int]
    ) -> None:
        self._piece_of = piece_of
        self._whole, self._follows = whole, follows
        self._word = 0
        self._last: int | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def read(self, token_id: int) -> tuple[str, int | None]:
        """Return the piece's text and the number of its word."""
        before, self._last = self._last, token_id
        if before is not None and self._follows.get(token_id) == before:
            return "", self._word - 1
        piece, word = self._piece_of(token_id), self._word
        whole = token_id in self._whole
        ends = whole or piece.endswith(_WORD_END)
        text = piece if whole else self._decode(piece.removesuffix(_WORD_END), ends)
        if ends:
            self._word += 1
        return text, word

    def _decode(self, piece: str, ends: bool) -> str:
        # Pieces are bytes; those of an emoji may be split over several pieces.
        table = _byte_of_letter()
        return self._decoder.decode(bytes(table[letter] for letter in piece if letter in table), final=ends)


@lru_cache(maxsize=1)
def _byte_of_letter() -> dict[str, int]:
    """Return the byte for each letter of a byte-level BPE vocabulary (GPT-2's).

    A printable byte is written as its own letter; the others, in order, as the letters from U+0100 on.
    """
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    letters = {chr(byte): byte for byte in printable}
    others = [byte for byte in range(256) if byte not in printable]
    return letters | {chr(256 + number): byte for number, byte in enumerate(others)}
