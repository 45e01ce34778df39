"""The left side of the page at work: the prompt's chips, and the passes of the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from vxa.ui.answering import LIVE, answer, catching, controls, drawn, edits, nowhere, rewritten, stamp, told
from vxa.ui.asked import Asked
from vxa.ui.compat import listen
from vxa.ui.given import Given
from vxa.ui.handlers import Handlers
from vxa.ui.keeping import kept_of_a_pass
from vxa.ui.passes import Looked
from vxa.ui.shown import Shown

__all__ = ["flag_earlier", "wire_given", "wire_passes"]


def wire_given(handlers: Handlers, state: Any, left: Given, right: Shown) -> None:
    """The image that is given, and the prompt's chips."""

    def typed(*values: Any) -> list[Any]:
        return catching(lambda: rewritten(handlers, *values), 4)

    def note(*values: Any) -> str:
        said = handlers.noted(*values)
        return f'<p class="vxa-hint" role="status">{escape("; ".join(said))}</p>' if said else ""

    def put(image: str | None) -> Any:
        def checked() -> list[Any]:
            handlers.check_image(image)
            return []

        return catching(checked, 0)[0]  # of a single output gradio takes a list as its value

    for done in (left.image.upload, left.image.clear):
        listen(done, put, [left.image], [right.message], queue=False, show_progress="hidden")
    boxes = [left.anchor, left.indices, right.against]
    listen(left.prompt.change, typed, [left.prompt, *boxes], [*edits(left, right), right.message], **LIVE)
    listen(
        left.followed.change, None, [left.followed, *boxes], boxes,
        js="(...values) => vxaFollow(...values)", queue=False,
    )  # fmt: skip
    for box in boxes:
        listen(box.change, note, boxes, [left.noted], **LIVE)


def wire_passes(handlers: Handlers, state: Any, left: Given, right: Shown) -> None:
    """One pass, or one at each of several timesteps; stopping; and what is said when the picture is earlier.

    A pass is begun by the button, by Shift+Enter in the prompt, and by choosing an example.
    """

    def work(run: Callable[..., Looked], progress: Any, wanted: Any, given: Any) -> list[Any]:
        def done() -> list[Any]:
            asked = Asked(*given)
            settings = {"seed": wanted[-1], "site": asked.sites, "refine": asked.refine}
            looked = run(*wanted[:-1], **settings, progress=told(progress))
            asked = replace(handlers.settled(wanted[0], asked), sites=looked.site)
            summary = f'<p class="vxa-hint">{escape(looked.summary)}</p>'
            offered = gr.update(choices=list(looked.sites), value=looked.site)
            *picture, undrawn = catching(lambda: drawn_of_a_pass(wanted[0], asked), 5)
            if undrawn:  # the picture before is of other maps
                picture = ["", gr.update(value=None), "", "", gr.update()]
            return [summary, offered, *picture, undrawn]

        handlers.latest.ask(wanted[0], Asked(*given))
        *found, message = catching(done, 8)
        return [*found[:7], message] if message else found

    def drawn_of_a_pass(page: str, asked: Asked) -> list[Any]:
        return [kept_of_a_pass(handlers, page, asked), *answer(handlers, page, asked), stamp(asked)]

    # The progress comes first, so that gradio puts it before whatever number of controls there are.
    def press(progress: Any = gr.Progress(), *values: Any) -> list[Any]:  # noqa: B008
        return work(handlers.run, progress, values[:6], values[7:])

    def press_timesteps(progress: Any = gr.Progress(), *values: Any) -> list[Any]:  # noqa: B008
        *wanted, seed, timesteps = values[:7]
        return work(handlers.run_timesteps, progress, (*wanted, timesteps, seed), values[7:])

    def example(event: gr.SelectData, anchor: str, against: str) -> list[Any]:
        chosen = handlers.backend.examples[event.index]
        now = handlers.edited(chosen.prompt, anchor, "", against)
        fresh = [now.chips, now.against_chips, now.anchor, "", now.against]
        return [str(chosen.path), chosen.prompt, *fresh, nowhere()]

    wanted = [left.image, left.prompt, left.timestep, left.noise, left.noise_seed]
    asking = [state, *wanted, right.timesteps, *controls(left, right)]
    outputs = [right.summary, right.sites, right.kept, *drawn(right)]
    changed = [left.chips, right.against_chips, left.anchor, left.indices, right.against]
    picked = listen(
        left.examples.select, example, [left.anchor, right.against],
        [left.image, left.prompt, *changed, right.spot], queue=False, show_progress="hidden",
    )  # fmt: skip
    begins = [(event, press) for event in (left.press.click, left.prompt.submit, picked.then)]
    for begun, run in (*begins, (right.look_at_timesteps.click, press_timesteps)):
        done = listen(begun, run, asking, outputs, concurrency_limit=None, show_progress_on=[right.picture])
        flag_earlier(handlers, done.then, state, left, right)
    for control in wanted:
        flag_earlier(handlers, control.change, state, left, right)
    listen(left.stop.click, handlers.stop, [state], None, queue=False, show_progress="hidden")


def flag_earlier(handlers: Handlers, event: Any, state: Any, left: Given, right: Shown) -> None:
    """After the event the page says where its picture is no longer of what is set."""

    def flag(*values: Any) -> str:
        said = handlers.earlier(*values)
        return f'<p role="status">{escape(said)}</p>' if said else ""

    wanted = [left.image, left.prompt, left.timestep, left.noise, left.noise_seed]
    listen(event, flag, [state, *wanted], [right.earlier], **LIVE)
