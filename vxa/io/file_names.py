"""File names made of words: valid, and different from each other, on Linux, macOS and Windows."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

__all__ = ["distinct_names", "file_stem"]

# Names of Windows' devices, whatever their letter case and suffix. Superscript digits count as digits there.
_DEVICES = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9¹²³]", re.IGNORECASE)
_LONGEST = 60  # characters, of at most four bytes each: a name may have 255 bytes


def file_stem(text: str, otherwise: str) -> str:
    """Return the text as a file name without a suffix, of letters, digits, "-" and "_".

    `otherwise` stands in for a text without any, and is added to the name of a Windows device ("con").
    """
    composed = unicodedata.normalize("NFC", text)  # macOS takes composed and decomposed letters for the same
    name = re.sub(r"[^\w-]+", "-", composed).strip("-")[:_LONGEST].strip("-") or otherwise
    return f"{name}-{otherwise}" if _DEVICES.fullmatch(name) else name


def distinct_names(names: Sequence[str], others: Sequence[str] = ()) -> list[str]:
    """Number the names that differ in nothing but letter case, which Windows and macOS ignore.

    "Hat", "hat" and "cat" become "Hat-1", "hat-2" and "cat"; a number is skipped if its name is in use. A
    name that is among the others is numbered too.
    """
    counts = Counter(map(_fold, names)) + Counter(set(map(_fold, others)))
    used = {name for name, count in counts.items() if count == 1} | set(map(_fold, others))
    last = Counter[str]()
    return [_numbered(name, last, used) if counts[_fold(name)] > 1 else name for name in names]


def _numbered(name: str, last: Counter[str], used: set[str]) -> str:
    """Return the name with the next free number; `last` and `used` are updated."""
    key = _fold(name)
    while True:
        last[key] += 1
        numbered = f"{name}-{last[key]}"
        if _fold(numbered) not in used:
            used.add(_fold(numbered))
            return numbered


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())
