"""The words at a spot of the image, as HTML: a name, a bar, a number, and a button that chooses the word."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from vxa.tokens import Word
from vxa.ui import texts
from vxa.ui.chips import chosen_indices, indices_text
from vxa.view import number

__all__ = ["spot_html"]


def spot_html(ranked: Sequence[tuple[Word, float]], x: int, y: int, selection: str = "") -> str:
    """The ranking as a list; the words of the selection are pressed."""
    highest = max((value for _, value in ranked), default=0.0) or 1.0
    last = max((index for word, _ in ranked for index in word.tokens), default=0)
    chosen = chosen_indices(selection, last + 1)
    rows = "".join(_row(word, value, value / highest, chosen) for word, value in ranked)
    return f'<p class="vxa-hint">{escape(texts.spot(y, x))}</p><ol class="vxa-ranking">{rows}</ol>'


def _row(word: Word, value: float, share: float, chosen: frozenset[int]) -> str:
    pressed = "true" if chosen.issuperset(word.tokens) else "false"
    said = escape(texts.chip("word", word.text, word.tokens, 1.0))
    return (
        f'<li><button type="button" class="vxa-chip" aria-pressed="{pressed}" aria-label="{said}" '
        f'data-indices="{indices_text(word.tokens)}">{escape(word.text)}</button>'
        f'<span class="vxa-bar" aria-hidden="true"><span style="width:{100 * share:.1f}%"></span></span>'
        f'<span class="vxa-value">{number(value)}</span></li>'
    )
