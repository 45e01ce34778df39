"""Tokens and words of a prompt, and the grammars for choosing some of them.

    find_words(tokens, "hat, red scarf, cat#2")   # by text, by phrase, by occurrence (1 = the first)
    parse_indices("1, 3-5", count=77)             # by index, 0 = the begin-of-text token

A *token* is one piece of the tokenizer's vocabulary; a *word* is one or more tokens that a space, a
punctuation mark or the tokenizer's own rules set apart. A prompt longer than 75 tokens is encoded in
chunks of 77 positions, so position j of chunk c has the index 77·c + j.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Literal

from vxa.errors import TokenIndexError, WordError

Special = Literal["bos", "eos", "pad", "image"]

_LISTED = 20  # words named in an error before "and N more"
_MAX_DIGITS = 9  # longer numbers are out of range for any prompt
_INDEX_HELP = 'write indices and ranges like "1, 3-5"'


@dataclass(frozen=True)
class Token:
    """One position of the encoded prompt.

    Attributes:
        index: 77·c + j, position j of chunk c.
        id: the tokenizer's number for the piece.
        text: the piece as displayed; a word's text is the texts of its tokens joined. A character whose
            bytes are split over several pieces is in the text of the last one.
        word: the running number of its word; None for a special token.
        special: "bos", "eos", "pad" or "image" where it is no part of the prompt's text, else None. An image
            token holds a part of an image prompt (IP-Adapter).
        weight: the emphasis that a host gives it, as in (word:1.2).
    """

    index: int
    id: int
    text: str
    word: int | None
    special: Special | None
    weight: float = 1.0


@dataclass(frozen=True)
class Word:
    """A word or phrase of the prompt and the indices of its tokens."""

    text: str
    tokens: tuple[int, ...]

    @property
    def is_spoken(self) -> bool:
        """Whether it has a letter or digit, and so is more than punctuation."""
        return any(map(str.isalnum, self.text))


def shorten(text: str, length: int = 60) -> str:
    """Return the text as messages quote it: its end cut off where it is longer than `length` characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def words(tokens: Iterable[Token]) -> tuple[Word, ...]:
    """Return the words of the prompt in reading order, each with all its tokens."""
    pieces: dict[int, list[Token]] = {}
    for token in tokens:
        if token.word is not None:
            pieces.setdefault(token.word, []).append(token)
    return tuple(
        Word("".join(token.text for token in group), tuple(token.index for token in group))
        for _, group in sorted(pieces.items())
    )


def join_tokens(*parts: Sequence[Token]) -> tuple[Token, ...]:
    """Return the tokens of embeddings that were joined of several parts, each encoded by itself."""
    joined: list[Token] = []
    for part in parts:
        first = 1 + max((token.word for token in joined if token.word is not None), default=-1)
        for token in part:
            word = None if token.word is None else first + token.word
            joined.append(replace(token, index=len(joined), word=word))
    return tuple(joined)


def image_tokens(count: int) -> tuple[Token, ...]:
    """Return `count` tokens of an image, as an IP-Adapter's package puts them after those of a prompt."""
    return tuple(Token(index, 0, "<image>", None, "image") for index in range(count))


def cut_notes(kept: Iterable[Token], whole: Iterable[Token]) -> tuple[str, ...]:
    """Return a note on where the kept tokens of a prompt end, if they are not the whole of it."""
    for word, full in zip_longest(words(kept), words(whole)):
        if word is None:
            return (f"its prompt was cut off before {full.text!r}",)
        if full is not None and len(word.tokens) < len(full.tokens):
            return (f"its prompt was cut off within {full.text!r}",)
    return ()


def find_words(tokens: Iterable[Token], selection: str | Sequence[str]) -> tuple[Word, ...]:
    """Return the words that `selection` names, in its order and without repeats.

    A string is a comma-separated list. In a sequence every item is one phrase, so a phrase may contain a
    comma. A phrase is one word or several adjacent words ("red hat"), in any letter case. Every occurrence
    is returned; "hat#2" is the second alone.

    Raises:
        WordError: a phrase is empty or not in the prompt (the nearest words are suggested).
    """
    prompt = words(tokens)
    found: list[Word] = []
    for phrase in split_phrases(selection):
        found.extend(_find_phrase(prompt, phrase))
    return tuple(dict.fromkeys(found))


def split_phrases(selection: str | Sequence[str]) -> list[str]:
    """Return the phrases of a comma-separated list, or of a sequence. Raises WordError for an empty one."""
    if not isinstance(selection, Iterable):
        raise WordError(
            f'{selection!r} is no word; write words like "hat, red scarf", or give tokens by index'
        )
    if isinstance(selection, str):
        phrases = [selection] if selection.strip() == "," else selection.split(",")
    else:
        phrases = list(selection)
    if not phrases or any(not isinstance(phrase, str) or not phrase.strip() for phrase in phrases):
        raise WordError(f'the word list {selection!r} has an empty entry; write words like "hat, red scarf"')
    return [phrase.strip() for phrase in phrases]


def _find_phrase(prompt: tuple[Word, ...], phrase: str) -> tuple[Word, ...]:
    # The literal text is tried first, since a prompt may contain "route #2" itself.
    if found := _occurrences(prompt, phrase):
        return found
    numbered = re.fullmatch(r"(.*[^#\s])\s*#([0-9]{1,6})", phrase, re.DOTALL)
    if numbered and (found := _occurrences(prompt, numbered[1])):
        number = int(numbered[2])
        if 1 <= number <= len(found):
            return (found[number - 1],)
        raise WordError(
            f"{phrase!r} asks for occurrence {number}, but {numbered[1]!r} is in the prompt {len(found)} "
            f"time{'s' if len(found) > 1 else ''}; write {numbered[1]}#1 to {numbered[1]}#{len(found)}"
        )
    raise WordError(_unknown_word(prompt, numbered[1] if numbered else phrase))


def _occurrences(prompt: tuple[Word, ...], phrase: str) -> tuple[Word, ...]:
    """Return every place, without overlaps, where the phrase's parts are adjacent words of the prompt."""
    wanted = _fold(phrase)
    folded = [_fold(word.text) for word in prompt]
    found, start = [], 0
    while start < len(prompt):
        end = _match(folded, start, wanted)
        if end is None:
            start += 1
            continue
        run = prompt[start:end]
        text = run[0].text if len(run) == 1 else wanted
        found.append(Word(text, tuple(index for word in run for index in word.tokens)))
        start = end
    return tuple(found)


def _match(folded: list[str], start: int, phrase: str) -> int | None:
    """Return the position after the words that spell `phrase`, or None.

    Between two letters the tokenizer splits only at a space. So "t-shirt" is the words t, -, shirt, but
    "redhat" is not "red hat". A word may hold spaces itself (the name of a textual inversion).
    """
    position, rest = start, phrase
    while rest:
        text = folded[position] if position < len(folded) else ""
        if not text or not rest.startswith(text):
            return None
        rest = rest[len(text) :]
        if rest and text[-1].isalpha() and rest[0].isalpha():
            return None
        rest = rest.lstrip()
        position += 1
    return position


def _fold(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _unknown_word(prompt: tuple[Word, ...], phrase: str) -> str:
    texts = list(dict.fromkeys(word.text for word in prompt if word.is_spoken))
    near = difflib.get_close_matches(_fold(phrase), texts, n=3)
    suggestion = f"did you mean {' or '.join(near)}? " if near else ""
    more = f" and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return (
        f"word {phrase!r} is not in the prompt; {suggestion}its words are: {', '.join(texts[:_LISTED])}{more}"
    )


def parse_indices(text: str, count: int) -> tuple[int, ...]:
    """Return the indices that `text` lists, in its order and without repeats.

    The grammar: indices and inclusive ranges, separated by commas, as in "1, 3-5"; 0 is the begin-of-text
    token and `count` - 1 the last position.

    Raises:
        TokenIndexError: an entry is empty, negative, reversed, not a number, or not below `count`.
    """
    indices: dict[int, None] = {}
    for item in text.split(","):
        first, last = _parse_range(item.strip(), text)
        for number in (first, last):
            if len(number) > _MAX_DIGITS or int(number) >= count:
                raise TokenIndexError(
                    f"index {number[:_MAX_DIGITS]} in {text[:80]!r} is out of range; "
                    f"the indices go from 0 (begin of text) to {count - 1}"
                )
        if int(first) > int(last):
            raise TokenIndexError(
                f"the range {item.strip()!r} in {text[:80]!r} is reversed; write {last}-{first}"
            )
        indices.update(dict.fromkeys(range(int(first), int(last) + 1)))
    return tuple(indices)


def _parse_range(item: str, text: str) -> tuple[str, str]:
    """Return the first and last index of one entry, as digits."""
    match = re.fullmatch(r"([0-9]+)(?:\s*-\s*([0-9]+))?", item)
    if match:
        # Strip leading zeros, so that only a number that is too large has too many digits.
        first = match[1].lstrip("0") or "0"
        return first, (match[2].lstrip("0") or "0") if match[2] else first
    if not item:
        problem = "has an empty entry"
    elif re.fullmatch(r"-\s*[0-9]+", item):
        problem = f"holds a negative index {item[:40]!r}; 0 is the first"
    elif re.fullmatch(r"[0-9]+\s*-", item):
        problem = f"holds a range without an end, {item[:40]!r}"
    else:
        problem = f"holds {item[:40]!r}, which is not an index"
    raise TokenIndexError(f"the token list {text[:80]!r} {problem}; {_INDEX_HELP}")
