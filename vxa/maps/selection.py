"""Selections of a heat map: groups of tokens to average over, and attention heads.

token_groups(tokens, words="hat, red scarf")    # ("hat", "red scarf"), [(1,), (3, 4)]
token_groups(tokens, indices="1, 3-5")          # (), [(1,), (3,), (4,), (5,)]
head_indices("0, 3", 8)                         # (0, 3)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vxa.errors import HeadError, SettingError, TokenIndexError
from vxa.tokens import Token, Word, find_words, parse_indices, split_phrases
from vxa.tokens import words as words_of

WordSpec = str | Sequence[str] | None
TokenSpec = str | int | Sequence[int] | None
HeadSpec = str | int | Sequence[int] | None


def token_groups(
    tokens: Sequence[Token], words: WordSpec = None, indices: TokenSpec = None
) -> tuple[tuple[str, ...], list[tuple[int, ...]]]:
    """Return the texts of the selected words, and one group of token indices per word.

    A selection by indices has no texts, and one group per index.

    Raises:
        WordError: a word is not in the prompt.
        TokenIndexError: an index is out of range or cannot be parsed, or the prompt has no real tokens.
        SettingError: both words and indices were given.
    """
    if _is_blank(words):
        return (), [(index,) for index in _token_indices(tokens, indices)]
    if not _is_blank(indices):
        raise SettingError(f"both words {words!r} and tokens {indices!r} were given; choose by one of them")
    assert words is not None
    found = find_words(tokens, words)
    return tuple(word.text for word in found), [word.tokens for word in found]


def each_choice(
    tokens: Sequence[Token],
    words: WordSpec | Sequence[Word] = None,
    indices: Sequence[TokenSpec] | None = None,
) -> list[tuple[tuple[str, ...], list[tuple[int, ...]]]]:
    """Return a choice as `token_groups` gives it for each phrase, each Word, or each of several indices.

    Raises:
        WordError, TokenIndexError: nothing is there by that name or number.
        SettingError: both words and indices were given.
    """
    if indices is not None:
        if not _is_blank(words):
            raise SettingError(
                f"both words {words!r} and tokens {indices!r} were given; choose by one of them"
            )
        if isinstance(indices, str) or not isinstance(indices, Sequence):
            raise SettingError(
                f"tokens {indices!r} is one choice; give a sequence of them, as in [{indices!r}]"
            )
        return [token_groups(tokens, indices=each) for each in indices]
    given: Any = words_of(tokens) if _is_blank(words) else words
    are_words = isinstance(given, Sequence) and all(isinstance(each, Word) for each in given)
    return [
        ((each.text,), [each.tokens]) if isinstance(each, Word) else token_groups(tokens, [each])
        for each in (given if are_words else split_phrases(given))
    ]


def head_indices(heads: HeadSpec, count: int) -> tuple[int, ...] | None:
    """Return the indices of the chosen heads out of `count`; None means all of them. Raises HeadError."""
    if heads is None or (isinstance(heads, str) and heads.strip().lower() in ("", "mean")):
        return None
    if not isinstance(heads, str):
        return _check_indices(heads, count, HeadError, "head")
    try:
        return parse_indices(heads, count)
    except TokenIndexError as error:
        raise HeadError(
            f'there are no heads {heads!r} here; give "mean", or numbers from 0 to {count - 1} like "0"'
        ) from error


def union(groups: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the indices of all groups, each once, in order of first appearance."""
    return tuple(dict.fromkeys(index for group in groups for index in group))


def _token_indices(tokens: Sequence[Token], indices: TokenSpec) -> tuple[int, ...]:
    if indices is None or _is_blank(indices):
        real = tuple(token.index for token in tokens if token.special is None)
        if not real:
            raise TokenIndexError('the prompt has no tokens of its own; choose by index, as in tokens="0-2"')
        return real
    if not isinstance(indices, str):
        return _check_indices(indices, len(tokens), TokenIndexError, "token index")
    if indices.strip().lower() == "all":
        return tuple(token.index for token in tokens if token.special != "bos")
    return parse_indices(indices, len(tokens))


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _check_indices(
    numbers: int | Sequence[int], count: int, error: type[Exception], what: str
) -> tuple[int, ...]:
    """Return the numbers without repeats. Raises `error` unless each is an integer in 0 … count - 1."""
    listed = list(numbers) if isinstance(numbers, Sequence) else [numbers]
    for number in listed:
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or not 0 <= number < count:
            raise error(f"{what} {number!r} is out of range; give whole numbers from 0 to {count - 1}")
    if not listed:
        raise error(f"no {what} was given; give whole numbers from 0 to {count - 1}")
    return tuple(dict.fromkeys(int(number) for number in listed))
