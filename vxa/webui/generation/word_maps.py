"""Heat maps of words over a whole generation.

A generation may read a word in several texts and networks: in each part of a prompt that AND joins, in each
text of an edited prompt ([a:b:n]), and in a second network if a refiner takes over. There are PromptMaps for
each text in each network. A word's map is the mean of theirs, weighted by the number of passes that read it.
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

__all__ = ["PromptMaps", "collect_prompt_maps", "mean_heat_map", "select_phrases", "split_step_bins"]


@dataclass(frozen=True, eq=False)
class PromptMaps:
    """Maps of one text through one network, and the number of passes that read it."""

    maps: AttentionMaps
    passes: int


def collect_prompt_maps(
    calls: Sequence[TracedCall], image: int, negative: bool, image_size: tuple[int, int]
) -> list[PromptMaps]:
    """Collect the maps of all texts of an image of the batch; `image_size` is (height, width)."""
    return [
        _prompt_maps(replace(maps, image_size=image_size))
        for call in calls
        for reading, maps in call.read
        if (reading.image, reading.negative) == (image, negative)
    ]


def _prompt_maps(maps: AttentionMaps) -> PromptMaps:
    record = maps.records[maps.sites[0].name]
    return PromptMaps(maps, sum(record.passes) if isinstance(record, SumRecord) else 1)


def split_step_bins(prompts: Sequence[PromptMaps]) -> list[tuple[str, list[PromptMaps]]]:
    """Split the maps by step bin: for each bin, in order, its label and the maps of the texts read in it."""
    found: dict[tuple[int, int], tuple[str, list[PromptMaps]]] = {}
    for prompt in prompts:
        for step_bin, maps in zip(prompt.maps.steps, prompt.maps.each_bin(), strict=True):
            steps = (step_bin.first, step_bin.last)
            found.setdefault(steps, (step_bin.label, []))[1].append(_prompt_maps(maps))
    return [found[steps] for steps in sorted(found)]


def select_phrases(prompts: Sequence[PromptMaps], phrases: Sequence[str] = ()) -> list[str]:
    """Return the phrases that some text has; without phrases, every word with a letter or digit.

    A word that occurs more than once in a text has a number ("cat#2").
    """
    if not phrases:
        return list(dict.fromkeys(word for prompt in prompts for word in _numbered_words(prompt.maps)))
    return [phrase for phrase in phrases if any(_has(prompt, phrase) for prompt in prompts)]


def _has(prompt: PromptMaps, phrase: str) -> bool:
    try:
        return bool(prompt.maps.find_words([phrase]))
    except WordError:
        return False


def _numbered_words(maps: AttentionMaps) -> list[str]:
    texts = [word.text for word in maps.words if word.is_spoken]
    counts, seen = Counter(map(str.casefold, texts)), Counter[str]()
    numbered = []
    for text in texts:
        seen[text.casefold()] += 1
        numbered.append(f"{text}#{seen[text.casefold()]}" if counts[text.casefold()] > 1 else text)
    return numbered


def mean_heat_map(prompts: Sequence[PromptMaps], phrase: str, refine: bool = False) -> HeatMap | None:
    """Return a phrase's mean map over the texts that have it, weighted by passes; None if none has it."""
    having = [prompt for prompt in prompts if _has(prompt, phrase)]
    found = [(prompt.maps.heat_map(words=[phrase], refine=refine), prompt.passes) for prompt in having]
    if not found:
        return None
    total = sum(passes for _, passes in found)
    values = mean_on_largest([heat.values * (passes * len(found) / total) for heat, passes in found])
    sites = tuple(dict.fromkeys(label for heat, _ in found for label in heat.sites))
    return replace(found[0][0], values=values, words=(phrase,), sites=sites)
