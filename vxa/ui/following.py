"""Following a model that may be exchanged: its sites and the prompt's tokens, asked for by the page.

A host's page presses the hidden button when its tab is opened and when another model was chosen, and again
while there is none yet (javascript/vxa_following.js).
"""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from vxa.ui import strings
from vxa.ui.answering import catching, edits, rewritten
from vxa.ui.compat import component, listen
from vxa.ui.given import Given
from vxa.ui.handlers import Handlers
from vxa.ui.shown import Shown

__all__ = ["wire_following"]

_WAITS = f'<p role="alert" data-waits>{escape(strings.NO_CHECKPOINT)}</p>'


def wire_following(handlers: Handlers, state: Any, left: Given, right: Shown) -> None:
    """The hidden button and its answer, where the backend's model may change."""
    if handlers.backend.current_sites is None:
        return
    button = component(gr.Button, value="", visible=False, elem_id="vxa_follow")

    def follow(
        page: str, site: str | None, prompt: str, anchor: str, selection: str, against: str
    ) -> list[Any]:
        def sites() -> list[Any]:
            offered = handlers.current_sites(page, site)
            if offered is None:
                return [gr.update(), True]
            return [gr.update(choices=list(offered.sites), value=offered.site), False]

        offered, waits, wrong = catching(sites, 2)
        *shown, wrong_too = catching(lambda: rewritten(handlers, prompt, anchor, selection, against), 4)
        return [offered, *shown, _WAITS if waits is True else wrong or wrong_too]

    done = listen(
        button.click, follow,
        [state, right.sites, left.prompt, left.anchor, left.indices, right.against],
        [right.sites, *edits(left, right), right.message],
        queue=False, show_progress="hidden",
    )  # fmt: skip
    listen(done.then, None, None, None, js="() => vxaFollowed()")
