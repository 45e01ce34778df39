"""Selections of tokens that follow their words from one prompt to another.

    follow(chips(model.tokenize("a cat")), chips(model.tokenize("a red cat")), "2")     # Followed("3", ())

A selected word is found by its text, in the order of the words (difflib), and a word that was moved in what
the order leaves over. So phrases stay phrases, and of a repeated word the same one is meant. A chip of
special tokens follows the same chip of its chunk. An index that is no word's stays that index.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from vxa.errors import TokenIndexError
from vxa.tokens import parse_indices
from vxa.ui import strings
from vxa.ui.chips import Chip, indices_text

__all__ = ["MOST_INDICES", "Followed", "follow", "no_words", "written_so_far"]

MOST_INDICES = 10_000
"""Tokens of a prompt of any length."""


@dataclass(frozen=True)
class Followed:
    """A selection in another prompt.

    Attributes:
        selection: the indices there, as a box has them.
        dropped: what was selected and is not there, as "cat", or "cat#2" for the second of several.
    """

    selection: str
    dropped: tuple[str, ...] = ()


def written_so_far(box: str | None) -> str:
    """What a box chooses so far: a comma that ends it is somebody about to write the next index."""
    return (box or "").strip().rstrip(",").strip()


def follow(old: Sequence[Chip], new: Sequence[Chip], selection: str) -> Followed:
    """The selection of tokens of the old prompt, in the new one; as it is where it cannot be read."""
    chosen = _indices(selection)
    if not chosen:
        return Followed(selection)
    places = {index: place for place, chip in enumerate(old) for index in chip.indices}
    targets = _targets(old, new)
    found: dict[int, None] = {}
    dropped: dict[str, None] = {}
    for index in chosen:
        place = places.get(index)
        if place is None or _is_single_padding(old[place], chosen):
            found[index] = None
            continue
        moved = _moved(old[place], targets.get(place), index, chosen)
        if moved is None:
            dropped[_name(old, place)] = None
        found.update(dict.fromkeys(moved or ()))
    if not dropped and tuple(found) == chosen:
        return Followed(selection)
    return Followed(indices_text(tuple(found)), tuple(dropped))


def no_words(chips: Sequence[Chip], selection: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The selected indices that are padding, and those beyond the last token; none of a blank prompt's."""
    chosen = _indices(selection)
    padding = {index for chip in chips if chip.kind == "pad" for index in chip.indices}
    last = max((chip.indices[-1] for chip in chips), default=MOST_INDICES)
    return (
        tuple(index for index in chosen if index in padding),
        tuple(index for index in chosen if index > last),
    )


def _indices(selection: str) -> tuple[int, ...]:
    try:
        return parse_indices(written_so_far(selection), MOST_INDICES)
    except TokenIndexError:
        return ()


def _is_single_padding(chip: Chip, chosen: Sequence[int]) -> bool:
    return chip.kind == "pad" and not set(chip.indices) <= set(chosen)


def _moved(chip: Chip, target: Chip | None, index: int, chosen: Sequence[int]) -> tuple[int, ...] | None:
    """The indices of the target that stand for this index of the chip; None where none do."""
    if target is None:
        return None
    if set(chip.indices) <= set(chosen):
        return target.indices
    return (target.indices[chip.indices.index(index)],) if target.pieces == chip.pieces else None


def _targets(old: Sequence[Chip], new: Sequence[Chip]) -> dict[int, Chip]:
    """The chip of the new prompt for each place in the old one that has one."""
    special = {(str(chip.kind), chip.chunk): chip for chip in new if chip.kind != "word"}
    found = {place: special.get((chip.kind, chip.chunk)) for place, chip in enumerate(old)}
    left, right = ([place for place, chip in enumerate(of) if chip.kind == "word"] for of in (old, new))
    pairs = _pairs([_text(old[place]) for place in left], [_text(new[place]) for place in right])
    words = {left[one]: new[right[other]] for one, other in pairs.items()}
    return {place: chip for place, chip in (found | words).items() if chip is not None}


def _pairs(old: Sequence[str], new: Sequence[str]) -> dict[int, int]:
    """The places of equal texts: those in the same order first, then those of what is left, and so on."""
    pairs: dict[int, int] = {}
    left, right = list(range(len(old))), list(range(len(new)))
    while left and right:
        texts = [old[place] for place in left], [new[place] for place in right]
        blocks = SequenceMatcher(None, *texts, autojunk=False).get_matching_blocks()
        found = {left[a + more]: right[b + more] for a, b, size in blocks for more in range(size)}
        if not found:
            break
        pairs |= found
        left, right = _without(left, pairs.keys()), _without(right, pairs.values())
    return pairs


def _without(places: Sequence[int], gone: Iterable[int]) -> list[int]:
    taken = set(gone)
    return [place for place in places if place not in taken]


def _text(chip: Chip) -> str:
    return "".join(chip.pieces).casefold()


def _name(chips: Sequence[Chip], place: int) -> str:
    """What people call the chip."""
    chip = chips[place]
    if chip.kind != "word":
        return strings.SPECIALS[chip.kind]
    same = [number for number, each in enumerate(chips) if each.kind == "word" and _text(each) == _text(chip)]
    text = "".join(chip.pieces)
    return text if len(same) == 1 else f"{text}#{same.index(place) + 1}"
