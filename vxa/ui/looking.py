"""The left side of the page at work: the prompt's chips, an image that is made, and the pass of the model."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from vxa.ui.answering import LIVE, answer, controls, opened, told, tried
from vxa.ui.asked import Asked
from vxa.ui.compat import listen
from vxa.ui.given import Given
from vxa.ui.handlers import Handlers
from vxa.ui.shown import Shown

__all__ = ["wire_given", "wire_pass"]


def wire_given(handlers: Handlers, state: Any, left: Given, right: Shown) -> None:
    """The image that is given, the prompt's chips, and making an image."""

    def typed(page: str, prompt: str, selection: str) -> list[Any]:
        return tried(lambda: [handlers.chips(prompt, selection)], 1, lambda: handlers.stale(page, prompt))

    def make(page: str, prompt: str, seed: float, progress: Any = gr.Progress()) -> list[Any]:  # noqa: B008
        return tried(lambda: [handlers.generate(page, prompt, seed, told(progress))], 1)

    def put(image: str | None) -> list[Any]:
        return tried(lambda: handlers.check_image(image) or [], 0)

    for done in (left.image.upload, left.image.clear):
        listen(done, put, [left.image], [right.message], queue=False, show_progress="hidden")
    listen(left.prompt.change, typed, [state, left.prompt, left.indices], [left.chips, right.message], **LIVE)
    begun = listen(left.make.click, opened, [state], [state], queue=False, show_progress="hidden")
    listen(begun.then, make, [state, left.prompt, left.seed], [left.image, right.message])


def wire_pass(handlers: Handlers, state: Any, left: Given, right: Shown) -> None:
    """The pass, by the button, by Shift+Enter in the prompt, and by choosing an example; and stopping it."""

    def press(
        page: str, image: str, prompt: str, timestep: float, noise: str,
        selection: str, sites: str, heads: str, mode: str, opacity: float, threshold: float, colormap: str,
        progress: Any = gr.Progress(),  # noqa: B008
    ) -> list[Any]:  # fmt: skip
        def work() -> list[Any]:
            looked = handlers.run(page, image, prompt, timestep, noise, sites, told(progress))
            asked = Asked(selection, looked.site, heads, mode, opacity, threshold, colormap)
            summary = f'<p class="vxa-hint">{escape(looked.summary)}</p>'
            offered = gr.update(choices=list(looked.sites), value=looked.site)
            return [summary, offered, *answer(handlers, page, asked)]

        return tried(work, 5)

    def example(event: gr.SelectData) -> list[Any]:
        chosen = handlers.backend.examples[event.index]
        return [str(chosen.path), chosen.prompt, "", handlers.chips(chosen.prompt)]

    asking = [left.image, left.prompt, left.timestep, left.noise, *controls(left, right)]
    outputs = [right.summary, right.sites, right.picture, right.command, right.python, right.message]
    picked = listen(
        left.examples.select, example, None, [left.image, left.prompt, left.indices, left.chips],
        show_progress="hidden",
    )  # fmt: skip
    for begun in (left.press.click, left.prompt.submit, picked.then):
        ready = listen(begun, opened, [state], [state], queue=False, show_progress="hidden")
        listen(
            ready.then, press, [state, *asking], outputs, concurrency_limit=None,
            show_progress_on=[right.picture],
        )  # fmt: skip
    listen(left.stop.click, handlers.stop, [state], None, queue=False, show_progress="hidden")
