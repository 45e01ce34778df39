"""The panel: its two sides over the handlers. Built once for the app and for every host."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from vxa.ui import strings
from vxa.ui.backend import Backend
from vxa.ui.choosing import choosing, wire_choosing
from vxa.ui.compat import component, served_folder
from vxa.ui.downloads import Downloads
from vxa.ui.exploring import wire_shown
from vxa.ui.following import wire_following
from vxa.ui.given import given
from vxa.ui.handlers import Handlers
from vxa.ui.keeping import wire_keep
from vxa.ui.looking import wire_given, wire_passes
from vxa.ui.making import wire_make
from vxa.ui.offering import wire_offer
from vxa.ui.pages import PageId
from vxa.ui.piece import html
from vxa.ui.shown import shown

__all__ = ["panel"]


def panel(backend: Backend, folder: Path, **page: Any) -> gr.Blocks:
    """The page over the backend; what it gives away is written below `folder`, or where gradio
    serves files from."""
    handlers = Handlers(backend, Downloads(served_folder(folder) / "vxa"))
    first = backend.examples[0].prompt if backend.examples else ""
    blocks = component(
        gr.Blocks,
        title=strings.TITLE,
        analytics_enabled=False,
        delete_cache=(600, 3600),
        elem_id="vxa",
        **page,
    )
    with blocks:
        state = gr.State(PageId())
        # The script gives the picture its name under gradios that let nobody say it.
        picture = f'<span hidden data-names="vxa_picture">{escape(strings.PICTURE_ALT)}</span>'
        html(f"<h1>{escape(strings.TITLE)}</h1><p>{escape(strings.LEAD)}</p>{picture}", "header")
        choice = choosing(backend)
        with component(gr.Row, equal_height=False, elem_classes=["vxa-columns"]):
            with component(gr.Column, scale=2, min_width=340, elem_classes=["vxa-given"]):
                left = given(backend, handlers.chips(first), handlers.edited(first).anchor if first else "")
            with component(gr.Column, scale=3, min_width=340, elem_classes=["vxa-shown"]):
                right = shown(backend, handlers.chips(first, against=True))
        wire_given(handlers, state, left, right)
        wire_offer(handlers, left, right)
        wire_passes(handlers, state, left, right)
        wire_make(handlers, state, left, right)
        wire_shown(handlers, state, left, right)
        wire_keep(handlers, state, left, right)
        wire_following(handlers, state, left, right)
        wire_choosing(handlers, blocks, state, choice, left, right)
    return blocks
