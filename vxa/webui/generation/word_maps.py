"""Heat maps of words over a whole generation, whatever it was made of.

A generation may read a word in several ways: in each part of a prompt that AND joins, in each text that an
edited prompt ([a:b:n]) becomes on its way, in each network where a refiner takes over. Each is a piece with
maps of its own; a word's map is their mean over the passes in which the word was read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vxa.attention.sums import SumRecord
from vxa.errors import WordError
from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.heat_map import HeatMap, mean_on_largest
from vxa.tracing.generation import TracedCall

__all__ = ["PromptMaps", "at_each_bin", "heat_of", "pieces_of", "subjects"]


@dataclass(frozen=True, eq=False)
class PromptMaps:
    """The maps of one text, through one network, and the number of passes that read it."""

    maps: AttentionMaps
    passes: int


def pieces_of(
    calls: Sequence[TracedCall], image: int, negative: bool, image_size: tuple[int, int]
) -> list[PromptMaps]:
    """What an image of the batch is made of, as maps of an image of (height, width)."""
    return [
        _piece(replace(maps, image_size=image_size))
        for call in calls
        for reading, maps in call.read
        if (reading.image, reading.negative) == (image, negative)
    ]


def _piece(maps: AttentionMaps) -> PromptMaps:
    record = maps.records[maps.sites[0].name]
    return PromptMaps(maps, sum(record.passes) if isinstance(record, SumRecord) else 1)


def at_each_bin(pieces: Sequence[PromptMaps]) -> list[tuple[str, list[PromptMaps]]]:
    """The pieces of each step bin, under the bin's label, in order."""
    found: dict[tuple[int, int], tuple[str, list[PromptMaps]]] = {}
    for piece in pieces:
        for step_bin, maps in zip(piece.maps.steps, piece.maps.each_bin(), strict=True):
            found.setdefault((step_bin.first, step_bin.last), (step_bin.label, []))[1].append(_piece(maps))
    return [found[place] for place in sorted(found)]


def subjects(pieces: Sequence[PromptMaps], phrases: Sequence[str] = ()) -> list[str]:
    """Those of the phrases that some piece has; of none, every word of letters or digits.

    A word that a text has often is called by its number ("cat#2").
    """
    if not phrases:
        return list(dict.fromkeys(word for piece in pieces for word in _spoken(piece.maps)))
    return [phrase for phrase in phrases if any(_has(piece, phrase) for piece in pieces)]


def _has(piece: PromptMaps, phrase: str) -> bool:
    try:
        return bool(piece.maps.find_words([phrase]))
    except WordError:
        return False


def _spoken(maps: AttentionMaps) -> list[str]:
    texts = [word.text for word in maps.words if word.is_spoken]
    often, seen = Counter(map(str.casefold, texts)), Counter[str]()
    named = []
    for text in texts:
        seen[text.casefold()] += 1
        named.append(f"{text}#{seen[text.casefold()]}" if often[text.casefold()] > 1 else text)
    return named


def heat_of(pieces: Sequence[PromptMaps], phrase: str, refine: bool = False) -> HeatMap | None:
    """The phrase's mean map over the pieces that have it, by how often it was read; None where none has."""
    having = [piece for piece in pieces if _has(piece, phrase)]
    found = [(piece.maps.heat_map(words=[phrase], refine=refine), piece.passes) for piece in having]
    if not found:
        return None
    total = sum(passes for _, passes in found)
    values = mean_on_largest([heat.values * (passes * len(found) / total) for heat, passes in found])
    sites = tuple(dict.fromkeys(label for heat, _ in found for label in heat.sites))
    return replace(found[0][0], values=values, words=(phrase,), sites=sites)
