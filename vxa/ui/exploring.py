"""The right side of the page at work, without the model: another picture, the words at a spot, the files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from vxa.ui.answering import LIVE, answer, answers, catching, controls, drawn, stamp
from vxa.ui.asked import Asked, usual_threshold
from vxa.ui.compat import listen
from vxa.ui.given import Given
from vxa.ui.handlers import Handlers
from vxa.ui.shown import Shown
from vxa.ui.spot import Spot, spot_html

__all__ = ["redrawn", "wire_shown"]


def redrawn(handlers: Handlers, page: str, asked: Asked) -> list[Any]:
    """The answer, its stamp and what is to be said; nothing new where the page asked for another since."""
    nothing = [gr.update()] * 5
    if not handlers.latest.knows(page):  # nobody asked for a pass yet
        return nothing
    *done, message = catching(lambda: answer(handlers, page, asked), 3)
    if not handlers.latest.waits_for(page, asked):
        return nothing
    return [*done, stamp(asked), message]  # a sentence is an answer, too


def wire_shown(handlers: Handlers, state: Any, left: Given, right: Shown) -> None:
    """Every control that asks for another picture of the same maps, the spots, and the files."""

    def redraw(page: str, *given: Any) -> list[Any]:
        return redrawn(handlers, page, Asked(*given))

    def caught_up(page: str, stamped: str, *given: Any) -> list[Any]:
        """Another picture where the one that came is not of the controls: they were moved, or it was late."""
        asked = Asked(*given)
        return [gr.update()] * 5 if answers(stamped, asked) else redrawn(handlers, page, asked)

    def ranked(words_at: Callable[..., Spot], page: str, asked: Asked, x: int, y: int) -> list[Any]:
        return catching(lambda: [spot_html(words_at(page, asked, x, y), asked.selection)], 1)

    # The event comes first, so that gradio puts it before whatever number of controls there are.
    def in_image(event: gr.SelectData, page: str, *given: Any) -> list[Any]:
        return ranked(handlers.words_at, page, Asked(*given), *event.index)

    def in_picture(event: gr.SelectData, page: str, *given: Any) -> list[Any]:
        return ranked(handlers.words_in_picture, page, Asked(*given), *event.index)

    def groups(mode: str) -> list[Any]:
        return [gr.update(visible=mode == "difference"), gr.update(visible=mode == "timesteps")]

    def usual(threshold: float, before: float, now: float) -> Any:
        """The usual threshold now, where the usual one before stands there."""
        return now if threshold == before else gr.update()

    def refined(refine: bool, edges: bool, threshold: float) -> Any:
        return usual(threshold, usual_threshold(not refine, edges), usual_threshold(refine, edges))

    def followed(refine: bool, edges: bool, threshold: float) -> Any:
        return usual(threshold, usual_threshold(refine, not edges), usual_threshold(refine, edges))

    def save(page: str, *given: Any) -> list[Any]:
        return catching(lambda: [handlers.files(page, Asked(*given))], 1)

    def peek(page: str, pointed: str, prompt: str, *given: Any) -> str:
        return handlers.peek(page, prompt, Asked(*given), pointed)

    asking = controls(left, right)
    for control in asking[:-1]:  # the anchor tells what the indices mean, and asks for nothing itself
        listen(control.change, redraw, [state, *asking], drawn(right), **LIVE)
    listen(right.stamp.change, caught_up, [state, right.stamp, *asking], drawn(right), **LIVE)
    listen(
        right.mode.change, groups, [right.mode], [right.compared, right.strip],
        queue=False, show_progress="hidden",
    )  # fmt: skip
    spot, at_once = [right.spot, right.message], {"queue": False, "show_progress": "hidden"}
    of_threshold = [right.refine, right.edges, right.threshold]
    listen(right.refine.input, refined, of_threshold, [right.threshold], **at_once)
    listen(right.edges.input, followed, of_threshold, [right.threshold], **at_once)
    listen(left.image.select, in_image, [state, *asking], spot, **at_once)
    listen(right.picture.select, in_picture, [state, *asking], spot, **at_once)
    listen(right.pointed.change, peek, [state, right.pointed, left.prompt, *asking], [right.peeked], **LIVE)
    listen(right.save.click, save, [state, *asking], [right.files, right.message])
    # The files are of the picture they were made of: another picture empties their list.
    listen(right.stamp.change, None, None, [right.files], js="() => null", queue=False)
