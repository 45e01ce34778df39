"""What the page's events have in common: a picture's answer, and a sentence for what went wrong.

Answers reach the page over several connections, and so not always in the order in which they were asked for.
Each is stamped with the question, and where the stamp that has come is not of the controls as they stand, the
page asks once more (vxa.ui.exploring): whatever overtakes what, the last picture is that of the controls.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr

from vxa.ui import strings
from vxa.ui.asked import Asked
from vxa.ui.backend import Progress
from vxa.ui.given import Given
from vxa.ui.handlers import Handlers, sentence
from vxa.ui.shown import Shown

__all__ = [
    "LIVE",
    "alert",
    "answer",
    "answers",
    "catching",
    "controls",
    "drawn",
    "edits",
    "nowhere",
    "rewritten",
    "stamp",
    "told",
]

_NUMBERS = itertools.count()

LIVE = {"queue": False, "show_progress": "hidden", "trigger_mode": "always_last"}
"""Settings of a control that, moved while its answer is on the way, asks again for where it then stands.

It needs no model, so it stands in no queue: gradio's answers over a second connection, opened each time.
"""


def controls(left: Given, right: Shown) -> list[Any]:
    """The components of Asked, in its order."""
    return [
        left.indices, right.sites, right.heads, right.mode, right.opacity, right.threshold, right.colormap,
        right.normalize, right.resample, right.against, right.refine, right.edges, left.anchor,
    ]  # fmt: skip


def drawn(right: Shown) -> list[Any]:
    """The components of an answer, of its stamp, and of what is to be said."""
    return [right.picture, right.command, right.python, right.stamp, right.message]


def edits(left: Given, right: Shown) -> list[Any]:
    """The components of what `rewritten` gives."""
    return [left.chips, right.against_chips, left.followed, right.spot]


def rewritten(handlers: Handlers, prompt: str, anchor: str, selection: str, against: str) -> list[Any]:
    """The prompt's chips, and where the selections went in it.

    The page's script takes these over, but for a box into which somebody wrote meanwhile. A ranking of words
    at a spot has buttons for the tokens of the prompt before, and goes with it.
    """
    edited = handlers.edited(prompt, anchor, selection, against)
    answer = {"asked": [selection, against], "give": [edited.anchor, edited.selection, edited.against]}
    return [
        edited.chips,
        edited.against_chips,
        gr.update(value=json.dumps(answer)),
        nowhere() if edited.renumbered else gr.update(),
    ]


def nowhere() -> str:
    """What stands in place of the words at a spot while none is pointed at."""
    return f'<p class="vxa-hint">{escape(strings.SPOT_HINT)}</p>'


def answer(handlers: Handlers, page: str, asked: Asked) -> list[Any]:
    """The file of the picture that is asked for, and the command and the Python that make it.

    As updates, like those that leave them as they are: gradio 6.31 makes a component anew for an update, and
    keeps for good each of these that is given a plain value afterwards.
    """
    handlers.latest.ask(page, asked)
    found = [handlers.picture_file(page, asked), *handlers.command(page, asked)]
    return [gr.update(value=one) for one in found]


def stamp(asked: Asked) -> Any:
    """The stamp of an answer to this; never the same twice, so that the page notices each."""
    return gr.update(value=f"{next(_NUMBERS)} {hash(asked)}")


def answers(stamped: str, asked: Asked) -> bool:
    """Whether what was stamped so answers this."""
    return stamped.endswith(f" {hash(asked)}")


def told(progress: Any) -> Progress:
    """gradio's progress as the handlers tell it."""
    return lambda fraction, what: progress(fraction, desc=what)


def catching(work: Callable[[], list[Any]], count: int) -> list[Any]:
    """What the work gives, and nothing to be said; after an error nothing changes but what is said."""
    try:
        done = work()
    except Exception as error:
        return [*[gr.update()] * count, alert(sentence(error))]
    return [*done, ""]


def alert(said: str) -> str:
    """What went wrong, as HTML; blank for nothing."""
    return f'<p role="alert">{escape(said)}</p>' if said else ""
