"""The page's model: its name, how far it is loaded, and choosing another one.

The server keeps one model for all pages, so each page asks now and then whether there is another by now.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from vxa.ui import strings
from vxa.ui.answering import LIVE, alert, catching, edits, rewritten
from vxa.ui.backend import Backend, LoadStatus
from vxa.ui.compat import component, listen
from vxa.ui.given import Given
from vxa.ui.handlers import Handlers
from vxa.ui.painting import bar_html
from vxa.ui.piece import html
from vxa.ui.shown import Shown

__all__ = ["Choosing", "choosing", "status_html", "wire_choosing"]

_SOON, _LATER = 1.0, 5.0  # seconds until the page asks again: while a model is being loaded, and otherwise


@dataclass(frozen=True)
class Choosing:
    """The components that show the model and let one choose.

    Attributes:
        model: the names of the models.
        status: how far the one that was chosen is.
        seen: the number of the status that the page shows.
        timer: when the page asks again.
    """

    model: Any
    status: Any
    seen: Any
    timer: Any


def choosing(backend: Backend) -> Choosing | None:
    """What shows the model, where there are models to choose among."""
    if backend.models is None:
        return None
    status = backend.models.status
    names = list(backend.models.names)
    with component(gr.Row, equal_height=False, elem_classes=["vxa-models"]):
        with component(gr.Column, scale=2, min_width=340):
            model = component(
                gr.Dropdown, label=strings.MODEL, choices=names, value=status.model, elem_id="vxa_model"
            )
        with component(gr.Column, scale=3, min_width=340):
            said = html(status_html(status), "model_status")
    return Choosing(model, said, gr.State(-1), gr.Timer(_SOON))


def status_html(status: LoadStatus) -> str:
    """What there is to say of the model."""
    if status.loading:
        return bar_html(status.fraction, escape(status.loading), strings.LOADING)
    there = strings.loaded(status.model, status.placed) if status.placed else ""
    said = f'<p class="vxa-hint" role="status">{escape(there)}</p>' if there else ""
    return f"{alert(status.problem)}{said}"


def wire_choosing(
    handlers: Handlers, page: Any, state: Any, choice: Choosing | None, left: Given, right: Shown
) -> None:
    """Choosing a model, and the page's following of the one that is there."""
    models = handlers.backend.models
    if choice is None or models is None:
        return
    wanted = [left.image, left.prompt, left.timestep, left.noise, left.noise_seed]
    boxes = [left.anchor, left.indices, right.against]

    def choose(name: str) -> Any:
        def chosen() -> list[Any]:
            models.choose(name)
            return []

        return catching(chosen, 0)[0]

    def follow(page_id: str, seen: int, site: str | None, *given: Any) -> list[Any]:
        status = models.status
        if status.number == seen:
            return [gr.update()] * 11
        shown: list[Any] = [gr.update(value=status.model), status_html(status), status.number]
        shown.append(gr.update(value=_SOON if status.loading else _LATER))
        if status.loading:
            return [*shown, *[gr.update()] * 7]
        return [*shown, *_of_model(handlers, page_id, site, given[:5], given[5:])]

    asking = [state, choice.seen, right.sites, *wanted, *boxes]
    outputs = [
        choice.model, choice.status, choice.seen, choice.timer,
        left.timestep, right.sites, right.earlier, *edits(left, right),
    ]  # fmt: skip
    listen(page.load, follow, asking, outputs, **LIVE)
    listen(choice.timer.tick, follow, asking, outputs, queue=False, show_progress="hidden")
    chosen = listen(
        choice.model.input, choose, [choice.model], [right.message], queue=False, show_progress="hidden"
    )
    listen(chosen.then, follow, asking, outputs, queue=False, show_progress="hidden")


def _of_model(
    handlers: Handlers, page: str, site: str | None, wanted: tuple[Any, ...], boxes: tuple[Any, ...]
) -> list[Any]:
    """What on the page depends on the model: timesteps, sites, what the picture is still of, and tokens."""
    offered, said = handlers.current_sites(page, site), handlers.earlier(page, *wanted)
    return [
        gr.update(maximum=handlers.facts.timesteps - 1),
        gr.update(choices=list(offered.sites), value=offered.site) if offered else gr.update(),
        f'<p role="status">{escape(said)}</p>' if said else "",
        *rewritten(handlers, wanted[1] or "", *boxes),
    ]
