"""The words at a spot of the image: ranked, and as HTML: a button that chooses the word, a bar, a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from vxa.errors import SettingError
from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.heat_map import HeatMap
from vxa.pictures.picture_spec import number
from vxa.tokens import Word, parse_indices
from vxa.ui import strings
from vxa.ui.chips import Chip, chosen_indices, indices_text
from vxa.ui.selection import MOST_INDICES, follow

__all__ = ["Spot", "spot", "spot_html"]

_SIDE = 512  # pixels on the longer side of the map in which a spot is looked up


@dataclass(frozen=True)
class Spot:
    """What is at a pixel of the image.

    Attributes:
        x, y: the pixel.
        where: the sites and the timestep that it was read at.
        refined: whether the maps are refined.
        words: the prompt's words and the value of each one's map there, the highest first.
    """

    x: int
    y: int
    where: str
    refined: bool
    words: tuple[tuple[Word, float], ...]

    def followed(self, own: Sequence[Chip], given: Sequence[Chip]) -> Spot:
        """The spot, its words with their tokens among the chips `given`; with none if they are not there."""
        return replace(self, words=tuple((_followed(word, own, given), value) for word, value in self.words))


def _followed(word: Word, own: Sequence[Chip], given: Sequence[Chip]) -> Word:
    found = follow(own, given, indices_text(word.tokens))
    return Word(word.text, () if found.dropped else parse_indices(found.selection, MOST_INDICES))


def spot(maps: AttentionMaps, x: int, y: int, **place: Any) -> Spot:
    """The words at the image's pixel.

    `place` is the sites and heads, as `heat_map` takes them. Raises SettingError beside the image.
    """
    height, width = maps.image_size
    if not (0 <= y < height and 0 <= x < width):
        raise SettingError(strings.NO_SPOT)
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    row, column = y * size[0] // height, x * size[1] // width
    spoken = [word for word in maps.words if word.is_spoken] or list(maps.words)
    heats = maps.heat_maps(spoken, **place)
    values = [float(heat.upsampled(*size)[row, column]) for heat in heats]
    ranked = sorted(zip(spoken, values, strict=True), key=lambda pair: -pair[1])
    where = f"{_place(heats[0])} · {maps.provenance.level}" if heats else ""
    return Spot(x, y, where, any(heat.refined for heat in heats), tuple(ranked))


def _place(heat: HeatMap) -> str:
    return ("refined · " if heat.refined else "") + ", ".join(heat.sites)


def spot_html(at: Spot, selection: str = "") -> str:
    """The ranking as a list; the words of the selection are pressed."""
    highest = max((value for _, value in at.words), default=0.0) or 1.0
    last = max((index for word, _ in at.words for index in word.tokens), default=0)
    chosen = chosen_indices(selection, last + 1)
    rows = "".join(_row(word, value, value / highest, chosen) for word, value in at.words)
    ranking = f'<ol class="vxa-ranking" data-box="vxa_indices">{rows}</ol>'
    return f'<p class="vxa-hint">{escape(strings.spot(at.y, at.x, at.where, at.refined))}</p>{ranking}'


def _row(word: Word, value: float, share: float, chosen: frozenset[int]) -> str:
    return (
        f"<li>{_button(word, chosen) if word.tokens else f'<span>{escape(word.text)}</span>'}"
        f'<span class="vxa-bar" aria-hidden="true"><span style="width:{100 * share:.1f}%"></span></span>'
        f'<span class="vxa-value">{number(value)}</span></li>'
    )


def _button(word: Word, chosen: frozenset[int]) -> str:
    pressed = "true" if chosen.issuperset(word.tokens) else "false"
    said = escape(strings.chip("word", word.text, word.tokens, 1.0))
    return (
        f'<button type="button" class="vxa-chip" aria-pressed="{pressed}" aria-label="{said}" '
        f'data-indices="{indices_text(word.tokens)}">{escape(word.text)}</button>'
    )
