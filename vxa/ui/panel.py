"""The panel: the components wired to the handlers. Built once for the app and for every host."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from vxa.ui import texts
from vxa.ui.asked import Asked
from vxa.ui.backend import Backend, Progress
from vxa.ui.compat import component, listen
from vxa.ui.components import Given, Shown, given, html, shown
from vxa.ui.downloads import Downloads
from vxa.ui.handlers import Handlers, sentence
from vxa.ui.pages import new_page_id
from vxa.ui.spot import spot_html

__all__ = ["panel"]

# A control that is moved while its answer is on the way asks once more, for where it then stands.
_LIVE = {"show_progress": "hidden", "trigger_mode": "always_last"}


def panel(backend: Backend, folder: Path, **page: Any) -> gr.Blocks:
    """The page over the backend; what it gives away is written below `folder`."""
    downloads = folder / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    handlers = Handlers(backend, Downloads(downloads))
    first = backend.examples[0].prompt if backend.examples else ""
    blocks = component(
        gr.Blocks, title=texts.TITLE, analytics_enabled=False, delete_cache=(600, 3600), elem_id="vxa", **page
    )
    with blocks:
        state = gr.State("")
        html(f"<h1>{escape(texts.TITLE)}</h1><p>{escape(texts.LEAD)}</p>", "header")
        with component(gr.Row, equal_height=False, elem_classes=["vxa-columns"]):
            with component(gr.Column, scale=2, min_width=340, elem_classes=["vxa-given"]):
                left = given(backend, handlers.chips(first))
            with component(gr.Column, scale=3, min_width=340, elem_classes=["vxa-shown"]):
                right = shown(backend)
        _wire_given(handlers, state, left, right)
        _wire_pass(handlers, state, left, right)
        _wire_shown(handlers, state, left, right)
    return blocks


def _wire_given(handlers: Handlers, state: Any, left: Given, right: Shown) -> None:
    """The prompt's chips, and making an image."""

    def typed(page: str, prompt: str, selection: str) -> list[Any]:
        return _tried(lambda: [handlers.chips(prompt, selection)], 1, lambda: handlers.stale(page, prompt))

    def make(page: str, prompt: str, seed: float, progress: Any = gr.Progress()) -> list[Any]:  # noqa: B008
        return _tried(lambda: [handlers.generate(page, prompt, seed, _told(progress))], 1)

    listen(
        left.prompt.change, typed, [state, left.prompt, left.indices], [left.chips, right.message],
        queue=False, **_LIVE,
    )  # fmt: skip
    opened = listen(left.make.click, _opened, [state], [state], queue=False, show_progress="hidden")
    listen(opened.then, make, [state, left.prompt, left.seed], [left.image, right.message])


def _wire_pass(handlers: Handlers, state: Any, left: Given, right: Shown) -> None:
    """The pass, by the button, by Shift+Enter in the prompt, and by choosing an example; and stopping it."""

    def press(
        page: str, image: str, prompt: str, timestep: float, noise: str,
        selection: str, sites: str, heads: str, mode: str, opacity: float, threshold: float, colormap: str,
        progress: Any = gr.Progress(),  # noqa: B008
    ) -> list[Any]:  # fmt: skip
        def work() -> list[Any]:
            looked = handlers.run(page, image, prompt, timestep, noise, sites, _told(progress))
            asked = Asked(selection, looked.site, heads, mode, opacity, threshold, colormap)
            summary = f'<p class="vxa-hint">{escape(looked.summary)}</p>'
            offered = gr.update(choices=list(looked.sites), value=looked.site)
            return [summary, offered, *_answer(handlers, page, asked)]

        return _tried(work, 5)

    def example(event: gr.SelectData) -> list[Any]:
        chosen = handlers.backend.examples[event.index]
        return [str(chosen.path), chosen.prompt, "", handlers.chips(chosen.prompt)]

    asking = [left.image, left.prompt, left.timestep, left.noise, *_controls(left, right)]
    outputs = [right.summary, right.sites, right.picture, right.command, right.python, right.message]
    picked = listen(
        left.examples.select, example, None, [left.image, left.prompt, left.indices, left.chips],
        show_progress="hidden",
    )  # fmt: skip
    for begun in (left.press.click, left.prompt.submit, picked.then):
        opened = listen(begun, _opened, [state], [state], queue=False, show_progress="hidden")
        listen(
            opened.then, press, [state, *asking], outputs, concurrency_limit=None,
            show_progress_on=[right.picture],
        )  # fmt: skip
    listen(left.stop.click, handlers.stop, [state], None, queue=False, show_progress="hidden")


def _wire_shown(handlers: Handlers, state: Any, left: Given, right: Shown) -> None:
    """What needs no model: another picture, the words at a spot, the files."""

    def redraw(page: str, *controls: Any) -> list[Any]:
        if not page:  # nobody asked for a pass yet
            return [gr.update()] * 3 + [""]
        return _tried(lambda: _answer(handlers, page, Asked(*controls)), 3)

    def words_at(page: str, asked: Asked, x: int, y: int) -> list[Any]:
        return [spot_html(handlers.words_at(page, asked, x, y), x, y, asked.selection)]

    def in_image(page: str, selection: str, sites: str, heads: str, event: gr.SelectData) -> list[Any]:
        asked = Asked(selection, sites, heads)
        return _tried(lambda: words_at(page, asked, *event.index), 1)

    def in_picture(
        page: str, selection: str, sites: str, heads: str, mode: str, opacity: float, threshold: float,
        colormap: str, event: gr.SelectData,
    ) -> list[Any]:  # fmt: skip
        asked = Asked(selection, sites, heads, mode, opacity, threshold, colormap)
        return _tried(lambda: words_at(page, asked, *handlers.spot_in_picture(page, asked, *event.index)), 1)

    def save(page: str, *controls: Any) -> list[Any]:
        return _tried(lambda: [handlers.files(page, Asked(*controls))], 1)

    controls = _controls(left, right)
    drawn = [right.picture, right.command, right.python, right.message]
    for control in controls:
        listen(control.change, redraw, [state, *controls], drawn, **_LIVE)
    spot = [right.spot, right.message]
    listen(left.image.select, in_image, [state, *controls[:3]], spot, show_progress="hidden")
    listen(right.picture.select, in_picture, [state, *controls], spot, show_progress="hidden")
    listen(right.save.click, save, [state, *controls], [right.files, right.message])


def _controls(left: Given, right: Shown) -> list[Any]:
    """The components of Asked, in its order."""
    return [
        left.indices, right.sites, right.heads, right.mode, right.opacity, right.threshold, right.colormap,
    ]  # fmt: skip


def _answer(handlers: Handlers, page: str, asked: Asked) -> list[Any]:
    """The picture that is asked for, and the command and the Python that make it."""
    return [handlers.picture(page, asked), *handlers.command(page, asked)]


def _opened(page: str) -> str:
    """The page's id: its own, or a new one."""
    return page or new_page_id()


def _told(progress: Any) -> Progress:
    return lambda fraction, what: progress(fraction, desc=what)


def _tried(work: Callable[[], list[Any]], count: int, notice: Callable[[], str] = lambda: "") -> list[Any]:
    """What the work gives and what is to be said; after an error nothing changes but what is said."""
    try:
        done, said = work(), notice()
    except Exception as error:
        done, said = [gr.update()] * count, sentence(error)
        return [*done, f'<p role="alert">{escape(said)}</p>']
    return [*done, f'<p role="status">{escape(said)}</p>' if said else ""]
