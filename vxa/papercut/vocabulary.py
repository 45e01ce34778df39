"""Every word that papercut knows: its captions are written in them, and its model was trained on no other."""

from __future__ import annotations

import re
from functools import cache

from vxa.papercut.nouns import COLOURS, GROUNDS, NOUNS, PATTERNS
from vxa.papercut.phrases import CASES, NUMBERS

__all__ = ["unknown_words", "unknown_words_note", "vocabulary"]

_OTHERS = (
    "a", "an", "the", "and", "of", "to", "left", "right", "apple", "is", "she", "he", "her", "his", "wearing",
    "holding", "stands", "sits", ",", ".",
)  # fmt: skip
_NAMED = 8  # unknown words named one by one


@cache
def vocabulary() -> tuple[str, ...]:
    """Return every word and mark that a caption can hold, sorted."""
    words = {*COLOURS, *PATTERNS, *GROUNDS, *NUMBERS.values(), *_OTHERS}
    words |= {word for case in CASES.values() for word in case}
    words |= {form for noun in NOUNS.values() for form in (noun.name, noun.many)}
    return tuple(sorted(words))


def unknown_words(prompt: str) -> tuple[str, ...]:
    """Return the prompt's words that papercut does not know, each once; they are spelled in letters."""
    known = set(vocabulary())
    words = re.findall(r"[^\W\d_]+", prompt.casefold())
    return tuple(dict.fromkeys(word for word in words if word not in known))


def unknown_words_note(unknown: tuple[str, ...]) -> str:
    """Return one sentence that says which words fell to pieces, and why."""
    named = ", ".join(word[:40] for word in unknown[:_NAMED])
    more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
    return (
        f"papercut does not know {named}{more}: it is a toy world of {len(vocabulary())} words, and spells "
        "others in letters; use words that it knows, or a model of your own"
    )
