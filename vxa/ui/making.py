"""Making an image in the page: shown while it is painted, with where its words are so far.

A control makes several together; each of them can then be explored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from functools import partial
from html import escape
from typing import Any

import gradio as gr

from vxa.ui.answering import alert, answer, catching, controls, drawn, nowhere, stamp
from vxa.ui.asked import Asked
from vxa.ui.compat import listen
from vxa.ui.control_fields import group_updates
from vxa.ui.given import Given
from vxa.ui.handlers import Handlers
from vxa.ui.live import Live
from vxa.ui.looking import flag_earlier
from vxa.ui.pages import Kept
from vxa.ui.painting import Made, bar_html
from vxa.ui.shown import Shown
from vxa.ui.steering import ControlChoice

__all__ = ["wire_make"]


def wire_make(handlers: Handlers, state: Any, left: Given, right: Shown) -> None:
    """The button that makes an image of the prompt, where the model can."""
    if handlers.backend.paint is None:
        return
    asking = controls(left, right)

    def make(page: str, prompt: str, seed: Any, *given: Any) -> Iterator[list[Any]]:
        choice, asked = ControlChoice(*given[: len(fielded)]), Asked(*given[len(fielded) :])
        handlers.latest.ask(page, asked)
        before = handlers.pages.find(page)
        settings = (page, prompt, seed, asked.refine, asked.sites)
        live = Live(
            lambda progress: handlers.paint(*settings, progress, asked, choice), lambda: handlers.stop(page)
        )
        yield from _followed(handlers, page, live, before)
        yield _finished(handlers, page, live, asked)

    fielded = [getattr(left, one.name) for one in fields(ControlChoice)]
    shown = [right.spot, right.files, right.summary, right.sites, *drawn(right)]
    done = listen(
        left.make.click, make, [state, left.prompt, left.seed, *fielded, *asking],
        [right.live, left.image, *shown[:-1], left.together, shown[-1]],
        concurrency_limit=None, show_progress="hidden",
    )  # fmt: skip
    flag_earlier(handlers, done.then, state, left, right)
    listen(
        left.control.change, group_updates, [left.control], [left.edit, left.style, left.weigh],
        queue=False, show_progress="hidden",
    )  # fmt: skip
    wire_together(handlers, state, left, right)


def wire_together(handlers: Handlers, state: Any, left: Given, right: Shown) -> None:
    """Choosing one of the pictures that were made together: the page explores it, and has its prompt."""

    def choose(event: gr.SelectData, page: str, pictures: Any, *given: Any) -> list[Any]:
        asked = Asked(*given)

        def chosen() -> list[Any]:
            path, prompt = pictures[event.index]
            found = handlers.choose(page, path, asked)
            if found is None:  # the image is there, to be looked at
                return [
                    gr.update(value=path),
                    prompt,
                    *[gr.update()] * 5,
                    nowhere(),
                    None,
                    *[gr.update()] * 6,
                ]
            looked, now = found
            boxes = handlers.edited(prompt, "", now.selection, now.against)
            return [
                gr.update(value=path), prompt,
                boxes.chips, boxes.against_chips, boxes.anchor, boxes.selection, boxes.against,
                nowhere(), None, f'<p class="vxa-hint">{escape(looked.summary)}</p>',
                gr.update(choices=list(looked.sites), value=looked.site),
                *answer(handlers, page, now), stamp(now),
            ]  # fmt: skip

        return catching(chosen, 15)

    changed = [left.image, left.prompt, left.chips, right.against_chips, left.anchor, left.indices]
    done = listen(
        left.together.select, choose, [state, left.together, *controls(left, right)],
        [*changed, right.against, right.spot, right.files, right.summary, right.sites, *drawn(right)],
        queue=False, show_progress="hidden",
    )  # fmt: skip
    flag_earlier(handlers, done.then, state, left, right)


def _followed(handlers: Handlers, page: str, live: Live[Made], shown: Kept | None) -> Iterator[list[Any]]:
    """How far it is, and the picture that the page asked for last, as soon as there is more to show."""
    for told in live:
        picture = gr.update()
        so_far, asked = handlers.pages.find(page), handlers.latest.asked(page)
        if so_far is not shown and so_far is not None and asked is not None:
            shown = so_far
            picture = catching(partial(_picture, handlers, page, asked), 1)[0]
        yield [bar_html(*told), *[gr.update()] * 5, picture, *[gr.update()] * 4, ""]


def _picture(handlers: Handlers, page: str, asked: Asked) -> list[Any]:
    return [handlers.picture_file(page, asked)]


def _finished(handlers: Handlers, page: str, live: Live[Made], asked: Asked) -> list[Any]:
    """The image, what is said of it and its picture; where it was not made, the picture as it was before."""
    now = handlers.latest.asked(page) or asked  # controls may have been moved meanwhile
    made, message = catching(lambda: [live.result()], 1)
    if message:
        kept = handlers.pages.find(page) is not None
        picture = catching(lambda: answer(handlers, page, now), 3)[:3] if kept else [None, "", ""]
        return ["", *[gr.update()] * 5, *picture, *[gr.update()] * 2, message]
    shown = replace(now, sites=made.site) if now.sites == asked.sites else now
    *picture, undrawn = _picture_of(handlers, page, made, shown)
    return [
        "",
        gr.update(value=made.image) if made.image else gr.update(),
        nowhere(),
        None,
        f'<p class="vxa-hint">{escape(made.summary)}</p>',
        gr.update(choices=list(made.sites), value=made.site),
        *picture,
        _together(made.pictures),
        alert(made.problem) + undrawn,
    ]


def _together(pictures: Sequence[tuple[str, str]]) -> Any:
    """The pictures that were made together, as far as they could be written; hidden where there are none."""
    written = [(path, prompt) for path, prompt in pictures if path]
    return gr.update(value=written, visible=bool(written), columns=min(4, max(2, len(written))))


def _picture_of(handlers: Handlers, page: str, made: Made, asked: Asked) -> list[Any]:
    """The answer, its stamp and what is to be said; the image itself where no picture of it can be drawn."""
    if handlers.pages.find(page) is None:
        return [*_image_itself(made), ""]

    def pictured() -> list[Any]:
        settled = handlers.settled(page, asked)
        return [*answer(handlers, page, settled), stamp(settled)]

    *picture, undrawn = catching(pictured, 4)
    return [*_image_itself(made), undrawn] if undrawn else [*picture, ""]


def _image_itself(made: Made) -> list[Any]:
    return [gr.update(value=made.image or None), gr.update(value=""), gr.update(value=""), gr.update()]
