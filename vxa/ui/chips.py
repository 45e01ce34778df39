"""The tokens of a prompt as chips: plain data, and the HTML that a page shows.

A chip is what a person chooses: a word with all its pieces, or a special token. The script of the page
(javascript/vxa.js) keeps the chips and the indices box in step by `data-indices`, in the box's own grammar.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Literal

from vxa.errors import TokenIndexError
from vxa.tokens import Token, parse_indices
from vxa.ui import strings

__all__ = ["CHUNK", "Chip", "chips", "chips_html", "chosen_indices", "indices_text"]

CHUNK = 77
"""Positions of one chunk of a prompt."""

Kind = Literal["word", "bos", "eos", "pad", "image"]
_UNSEEN = "▯"  # a piece that holds only part of a character's bytes


@dataclass(frozen=True)
class Chip:
    """What one chip stands for.

    Attributes:
        kind: "word", or what its special tokens are.
        pieces: the texts of its tokens; a run of padding has one, empty.
        indices: the index of each of its tokens.
        weight: the emphasis a host gives it.
    """

    kind: Kind
    pieces: tuple[str, ...]
    indices: tuple[int, ...]
    weight: float = 1.0

    @property
    def chunk(self) -> int:
        """The number of its chunk, from 0."""
        return self.indices[0] // CHUNK


def chips(tokens: Iterable[Token]) -> tuple[Chip, ...]:
    """The chips of a prompt in order: each word whole, each run of padding one."""
    return tuple(_chip(list(run)) for _, run in groupby(tokens, key=_belongs))


def _belongs(token: Token) -> tuple[object, ...]:
    """What the tokens of one chip have in common."""
    return token.special, token.word, token.index // CHUNK


def _chip(run: Sequence[Token]) -> Chip:
    indices = tuple(token.index for token in run)
    special = run[0].special
    if special is not None:
        return Chip(special, ("",), indices)
    return Chip("word", tuple(token.text for token in run), indices, run[0].weight)


def chosen_indices(selection: str, count: int) -> frozenset[int]:
    """The indices that a box's text chooses; none where it cannot be read, which a picture will tell."""
    try:
        return frozenset(parse_indices(selection, count)) if selection.strip() else frozenset()
    except TokenIndexError:
        return frozenset()


def indices_text(indices: Sequence[int]) -> str:
    """The indices as the box has them, with runs of three or more as ranges: "1, 3-5"."""
    runs = [
        [index for _, index in run] for _, run in groupby(enumerate(indices), lambda pair: pair[1] - pair[0])
    ]
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def chips_html(
    listed: Sequence[Chip],
    selection: str = "",
    box: str = "vxa_indices",
    label: str = strings.CHIPS,
    prompt: str = "",
) -> str:
    """The chips of the prompt as buttons, a row for each chunk, those of the selection pressed.

    `box` is the id of the box that they fill, `label` what they are called by those who hear it.
    """
    count = 1 + max((chip.indices[-1] for chip in listed), default=-1)
    chosen = chosen_indices(selection, count)
    chunks = [list(group) for _, group in groupby(listed, key=lambda chip: chip.chunk)]
    rows = (
        _row(chunk, number if len(chunks) > 1 else None, chosen) for number, chunk in enumerate(chunks, 1)
    )
    group = (
        f'class="vxa-chips" role="group" aria-label="{escape(label)}" data-box="{escape(box)}" '
        f'data-prompt="{escape(prompt)}"'
    )
    return f"<div {group}>{''.join(rows)}</div>"


def _row(chunk: Sequence[Chip], number: int | None, chosen: frozenset[int]) -> str:
    heading = "" if number is None else f'<span class="vxa-chunk">{escape(strings.chunk(number))}</span>'
    return f'<div class="vxa-row">{heading}{"".join(_button(chip, chosen) for chip in chunk)}</div>'


def _button(chip: Chip, chosen: frozenset[int]) -> str:
    pressed = "true" if chosen.issuperset(chip.indices) else "false"
    said = escape(strings.chip(chip.kind, "".join(chip.pieces), chip.indices, chip.weight))
    indices = indices_text(chip.indices)
    return (
        f'<button type="button" class="vxa-chip vxa-chip-{chip.kind}" aria-pressed="{pressed}" '
        f'data-indices="{indices}" data-word="{escape("".join(chip.pieces))}" '
        f'aria-label="{said}" title="{said}">{_face(chip)}</button>'
    )


def _face(chip: Chip) -> str:
    """What the chip shows: its pieces, each with its index, and a weight other than 1."""
    if chip.kind != "word":
        name = escape(strings.SPECIALS[chip.kind])
        number = f"{chip.indices[0]}" if len(chip.indices) == 1 else f"{chip.indices[0]}–{chip.indices[-1]}"
        return f'<span class="vxa-piece">{name}<small>{number}</small></span>'
    pieces = (
        f'<span class="vxa-piece">{escape(piece) or _UNSEEN}<small>{index}</small></span>'
        for piece, index in zip(chip.pieces, chip.indices, strict=True)
    )
    weight = "" if chip.weight == 1.0 else f'<span class="vxa-weight">×{chip.weight:g}</span>'
    return "".join(pieces) + weight
