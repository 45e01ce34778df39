"""The prompt that the page's boxes of indices are of, as the page itself carries it from event to event.

A hidden box of the page holds an Anchor as JSON. It is written together with the two boxes, and every event
sends all three. So an index is always read as the word it stood for: in the prompt as it is edited, and in
the maps of an earlier prompt, whatever answers are on their way.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vxa.tokens import parse_indices
from vxa.ui import strings
from vxa.ui.chips import Chip, indices_text
from vxa.ui.selection import MOST_INDICES, Followed, follow, no_words

__all__ = ["Anchor", "anchor_of", "moved", "noted"]

Boxes = tuple[str, str]
"""The indices box, and that of what is compared with."""


@dataclass(frozen=True)
class Anchor:
    """What the boxes are of.

    Attributes:
        prompt: the prompt.
        chips: its chips; None where they are yet to be made.
        boxes: the boxes as they were written with this.
        since: what the person selected in, and how the boxes were then: what has been dropped since comes
            back with its word, until something else is selected.
    """

    prompt: str = ""
    chips: tuple[Chip, ...] | None = None
    boxes: Boxes = ("", "")
    since: Anchor | None = None

    @property
    def text(self) -> str:
        """The JSON that the page carries; `read` reads it."""
        return json.dumps(self._values(), ensure_ascii=False, separators=(",", ":"))

    def _values(self) -> dict[str, Any]:
        chips = None if self.chips is None else [_chip_values(chip) for chip in self.chips]
        since = None if self.since is None else self.since._values()
        return {"prompt": self.prompt, "chips": chips, "boxes": self.boxes, "since": since}

    @classmethod
    def read(cls, text: str | None) -> Anchor | None:
        """The anchor that the page carries; None where there is none."""
        try:
            return cls._of(json.loads(text or "null"))
        except (ValueError, TypeError, KeyError, LookupError, AttributeError, RecursionError):
            return None

    @classmethod
    def _of(cls, values: Any) -> Anchor | None:
        if values is None:
            return None
        first, second = values["boxes"]
        chips = None if values["chips"] is None else tuple(_chip(*each) for each in values["chips"])
        return cls(str(values["prompt"]), chips, (first or "", second or ""), cls._of(values["since"]))


def _chip_values(chip: Chip) -> list[Any]:
    return [chip.kind, chip.pieces, indices_text(chip.indices)]


def _chip(kind: Any, pieces: Any, indices: str) -> Chip:
    if kind not in ("word", *strings.SPECIALS):
        raise ValueError(kind)
    return Chip(kind, tuple(map(str, pieces)), parse_indices(indices, MOST_INDICES))


def anchor_of(prompt: str) -> str:
    """The text of an anchor for boxes that are written together with this prompt."""
    return Anchor(prompt).text


def moved(anchor: Anchor | None, prompt: str, chips: Sequence[Chip], boxes: Boxes) -> Anchor:
    """The anchor in this prompt, with the boxes that follow; without one before they are of this prompt."""
    if anchor is None or anchor.chips is None:
        return Anchor(prompt, tuple(chips), boxes)
    since = anchor.since
    if since is None or boxes != anchor.boxes:
        since = Anchor(anchor.prompt, anchor.chips, boxes)
    first, second = (each.selection for each in _followed(since, chips))
    return Anchor(prompt, tuple(chips), (first, second), since)


def noted(anchor: Anchor | None, boxes: Boxes) -> list[str]:
    """What is to be said of the boxes: words dropped, and indices that are no words."""
    if anchor is None or anchor.chips is None:
        return []
    said = []
    if anchor.since is not None and boxes == anchor.boxes:
        gone = [each.dropped for each in _followed(anchor.since, anchor.chips)]
        names = tuple(dict.fromkeys(name for dropped in gone for name in dropped))
        said += [strings.dropped(names, every=bool(gone[0]) and not boxes[0])] if names else []
    for box in boxes:
        padding, beyond = no_words(anchor.chips, box)
        said += [strings.padding(indices_text(padding), len(padding))] if padding else []
        last = anchor.chips[-1].indices[-1] if anchor.chips else 0
        said += [strings.beyond(indices_text(beyond), len(beyond), last)] if beyond else []
    return list(dict.fromkeys(said))


def _followed(since: Anchor, chips: Sequence[Chip]) -> list[Followed]:
    return [follow(since.chips or (), chips, box) for box in since.boxes]
