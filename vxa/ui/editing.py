"""A prompt as it is edited: its chips, and the selections that follow their words in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vxa.maps.attention_maps import AttentionMaps
from vxa.tokens import Token
from vxa.ui import strings
from vxa.ui.anchor import Anchor, moved
from vxa.ui.asked import Asked
from vxa.ui.chips import Chip, chips, chips_html

__all__ = ["Edited", "edited", "given_chips", "prompt_chips", "prompt_chips_html"]

Tokenize = Callable[[str], Sequence[Token]]


@dataclass(frozen=True)
class Edited:
    """A prompt and the selections in it.

    Attributes:
        chips, against_chips: the HTML of its chips, those of the two selections pressed.
        anchor: the prompt that the selections are of now.
        selection, against: the two boxes of indices.
        renumbered: whether its tokens are others than before.
    """

    chips: str
    against_chips: str
    anchor: str
    selection: str
    against: str
    renumbered: bool


def prompt_chips(tokenize: Tokenize, prompt: str | None) -> tuple[Chip, ...]:
    """The chips of a prompt; none of a blank one."""
    return chips(tokenize(prompt)) if prompt and prompt.strip() else ()


def prompt_chips_html(listed: Sequence[Chip], prompt: str, selection: str = "", against: bool = False) -> str:
    """The HTML of the prompt's chips, those of the second selection where it is `against`."""
    if against:
        return chips_html(listed, selection, "vxa_against", strings.AGAINST_CHIPS, prompt)
    return chips_html(listed, selection, prompt=prompt)


def edited(
    tokenize: Tokenize, prompt: str | None, anchor: str, selection: str | None, against: str | None
) -> Edited:
    """The selections in the prompt as it is now; `anchor` tells which one they were made in."""
    prompt, before = prompt or "", Anchor.read(anchor)
    listed = prompt_chips(tokenize, prompt)
    if before is not None and before.chips is None and before.prompt != prompt:
        before = replace(before, chips=prompt_chips(tokenize, before.prompt))
    now = moved(before, prompt, listed, (selection or "", against or ""))
    return Edited(
        prompt_chips_html(listed, prompt, now.boxes[0]),
        prompt_chips_html(listed, prompt, now.boxes[1], against=True),
        now.text,
        *now.boxes,
        renumbered=before is None or before.chips != listed,
    )


def given_chips(tokenize: Tokenize, asked: Asked, maps: AttentionMaps) -> tuple[Chip, ...] | None:
    """The chips that the indices of what is asked are of; None where they are those of the maps."""
    anchor = Anchor.read(asked.anchor)
    if anchor is None or (anchor.chips is None and anchor.prompt == maps.provenance.prompt):
        return None
    return prompt_chips(tokenize, anchor.prompt) if anchor.chips is None else anchor.chips
