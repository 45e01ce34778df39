"""What an image says of how it was made, offered to the page: nothing that a person typed goes unasked.

A prompt that is such a text itself, as people copy it from elsewhere, is offered to be taken apart.
"""

from __future__ import annotations

from html import escape
from textwrap import shorten
from typing import Any

import gradio as gr

from vxa.io.infotext import Infotext, parse_infotext
from vxa.ui import strings
from vxa.ui.anchor import anchor_of
from vxa.ui.answering import LIVE
from vxa.ui.compat import listen
from vxa.ui.given import Given
from vxa.ui.handlers import Handlers
from vxa.ui.recorded import ENTRIES, recorded
from vxa.ui.shown import Shown

__all__ = ["offer_html", "wire_offer"]

_SHOWN = 300  # characters of a prompt


def offer_html(made: Infotext, lead: str = strings.OFFERED) -> str:
    """The sentence that offers the prompt."""
    said = shorten(made.prompt, _SHOWN, placeholder=" …")
    return f'<p role="status"><span>{escape(lead)}</span> <q>{escape(said)}</q></p>'


def wire_offer(handlers: Handlers, left: Given, right: Shown) -> None:
    """The offer, there while the page's prompt is another than the image's, and taking it."""
    made = gr.State(None)
    settings = {one.elem_id: one for side in (left, right) for one in vars(side).values() if one}
    changed = [left.prompt, left.anchor, *(settings[entry.control] for entry in ENTRIES)]

    def read(image: str | None) -> Infotext | None:
        return handlers.made(image)

    def offer(found: Infotext | None, prompt: str | None) -> list[Any]:
        pasted = parse_infotext(prompt)
        if pasted is not None:
            return [offer_html(pasted, strings.OFFERED_TEXT), gr.update(visible=True)]
        if found is None or not found.prompt or found.prompt == (prompt or "").strip():
            return ["", gr.update(visible=False)]
        return [offer_html(found), gr.update(visible=True)]

    def take(found: Infotext | None, prompt: str | None) -> list[Any]:
        chosen = parse_infotext(prompt) or found
        if chosen is None:
            return [gr.update()] * len(changed)
        told = recorded(chosen.settings)
        return [
            chosen.prompt,
            anchor_of(chosen.prompt),
            *(told.get(entry.control, gr.update()) for entry in ENTRIES),
        ]

    offered = [left.offer, left.offered]
    known = listen(left.image.change, read, [left.image], [made], **LIVE)
    listen(known.then, offer, [made, left.prompt], offered, queue=False, show_progress="hidden")
    listen(left.prompt.change, offer, [made, left.prompt], offered, **LIVE)
    listen(left.use.click, take, [made, left.prompt], changed, queue=False, show_progress="hidden")
