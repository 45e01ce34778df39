"""Prompts of any length: chunks of 77 positions as AUTOMATIC1111's webui makes them, and their Tokens.

A chunk is begin-of-text, up to 75 tokens, end-of-text, and padding. When a chunk overflows within 20
tokens after a comma, it ends at that comma and the rest moves on, so that a phrase is not torn. The
chunks' contexts are concatenated: nothing is ever truncated.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache

from vxa.tokens import Special, Token

CHUNK = 77  # CLIP's positions, and what one chunk adds to the context
ROOM = CHUNK - 2
_BACKTRACK = 20  # webui's default "padding backtrack"
_WORD_END = "</w>"


def split_chunks(ids: Sequence[int], comma: int | None) -> list[list[int]]:
    """The prompt's token ids in chunks of at most 75, at least one chunk."""
    chunks: list[list[int]] = []
    chunk: list[int] = []
    after_comma: int | None = None
    for token in ids:
        if len(chunk) == ROOM:
            keep = ROOM
            if token != comma and after_comma is not None and ROOM - after_comma < _BACKTRACK:
                keep = after_comma
            chunks.append(chunk[:keep])
            chunk, after_comma = chunk[keep:], None
        chunk.append(token)
        if token == comma:
            after_comma = len(chunk)
    return [*chunks, chunk] if chunk or not chunks else chunks


def padded_ids(chunk: Sequence[int], bos: int, eos: int, pad: int) -> list[int]:
    """The chunk's 77 ids as the text encoder takes them."""
    return [bos, *chunk, eos, *[pad] * (ROOM - len(chunk))]


def name_tokens(
    chunks: Sequence[Sequence[int]],
    specials: tuple[int, int, int],
    piece_of: Callable[[int], str],
    whole: Collection[int] = (),
) -> tuple[Token, ...]:
    """One Token for each of the 77 positions of each chunk.

    Args:
        chunks: the prompt's own ids, without specials.
        specials: the ids of begin, end and padding.
        piece_of: the vocabulary's piece of an id, in CLIP's form ("hat</w>").
        whole: ids that are words by themselves whatever their piece says (added tokens).
    """
    named: list[Token] = []
    reader = _PieceReader(piece_of, whole)
    for chunk in chunks:
        for position, token_id in enumerate(padded_ids(chunk, *specials)):
            special: Special | None = None
            if position == 0:
                special = "bos"
            elif position > len(chunk):
                special = "eos" if position == len(chunk) + 1 else "pad"
            text, word = (f"<{special}>", None) if special else reader.read(token_id)
            named.append(Token(len(named), token_id, text, word, special))
    return tuple(named)


class _PieceReader:
    """Turns pieces into texts and running word numbers; a word may go on in the next chunk."""

    def __init__(self, piece_of: Callable[[int], str], whole: Collection[int]) -> None:
        self._piece_of = piece_of
        self._whole = whole
        self._word = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def read(self, token_id: int) -> tuple[str, int | None]:
        """The piece's text and the number of its word."""
        piece, word = self._piece_of(token_id), self._word
        whole = token_id in self._whole
        ends = whole or piece.endswith(_WORD_END)
        text = piece if whole else self._decode(piece.removesuffix(_WORD_END), ends)
        if ends:
            self._word += 1
        return text, word

    def _decode(self, piece: str, ends: bool) -> str:
        # Pieces are bytes: an emoji's may be spread over several of them.
        table = _byte_of_letter()
        return self._decoder.decode(bytes(table[letter] for letter in piece if letter in table), final=ends)


@lru_cache(maxsize=1)
def _byte_of_letter() -> dict[str, int]:
    """The byte that each letter of a byte-level BPE vocabulary stands for.

    Printable bytes stand for themselves; the others, in order, for the letters from U+0100 on (GPT-2).
    """
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    letters = {chr(byte): byte for byte in printable}
    others = [byte for byte in range(256) if byte not in printable]
    return letters | {chr(256 + number): byte for number, byte in enumerate(others)}
