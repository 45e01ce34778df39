"""The page's picture among the host's own: when its button is pressed, or of every pass."""

from __future__ import annotations

from html import escape
from typing import Any

from vxa.ui import strings
from vxa.ui.answering import catching, controls
from vxa.ui.asked import Asked
from vxa.ui.compat import listen
from vxa.ui.given import Given
from vxa.ui.handlers import Handlers
from vxa.ui.shown import Shown

__all__ = ["kept_of_a_pass", "wire_keep"]


def kept_of_a_pass(handlers: Handlers, page: str, asked: Asked) -> str:
    """What is said of a pass's picture: blank where it is not saved by itself, and what went wrong."""
    if not handlers.backend.keeps_all():
        return ""
    done, wrong = catching(lambda: [_kept(handlers, page, asked)], 1)
    return str(wrong or done)


def wire_keep(handlers: Handlers, state: Any, left: Given, right: Shown) -> None:
    """The button that saves the picture that is shown."""

    def keep(page: str, *given: Any) -> list[Any]:
        return catching(lambda: [_kept(handlers, page, Asked(*given))], 1)

    listen(right.keep.click, keep, [state, *controls(left, right)], [right.kept, right.message])


def _kept(handlers: Handlers, page: str, asked: Asked) -> str:
    name = escape(handlers.keep(page, asked))
    return f'<p class="vxa-hint" role="status"><span>{escape(strings.KEPT)}</span> <code>{name}</code></p>'
