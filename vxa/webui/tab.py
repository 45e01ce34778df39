"""The VXA tab: the panel over the webui's model, or one sentence where it cannot be used yet."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from vxa.ui.panel import panel
from vxa.webui import strings
from vxa.webui.backend import webui_backend
from vxa.webui.host.send_to import Sending
from vxa.webui.installed import problem
from vxa.webui.settings import first_values

__all__ = ["tabs"]

Tabs = list[tuple[gr.Blocks, str, str]]


def tabs(script: str, sending: Sending) -> Callable[[], Tabs]:
    """What gives the webui the tab of the extension that `script` is of, when it builds its page."""

    def build() -> Tabs:
        said = problem(script)
        if said:
            return [(_notice(said), strings.TAB, f"vxa_{abs(hash(script)):x}")]
        tab = _begun(panel(webui_backend(), _folder()))
        sending.connect(tab)
        return [(tab, strings.TAB, "vxa")]

    return build


def _notice(said: str) -> gr.Blocks:
    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.HTML(f'<div class="vxa-message"><p role="alert">{escape(said)}</p></div>')
    return blocks


def _begun(blocks: gr.Blocks) -> gr.Blocks:
    """The blocks as the settings say; of them the webui keeps nothing else, for a prompt is no default."""
    made: dict[int, Any] = blocks.blocks
    first = first_values()
    for component in made.values():
        component.do_not_save_to_config = True
        if getattr(component, "elem_id", None) in first:
            component.value = first[component.elem_id]  # as the webui itself sets what it keeps
    return blocks


@cache
def _folder() -> Path:
    """A folder for what the tab gives away; it goes when the webui ends."""
    folder = Path(tempfile.mkdtemp(prefix="vxa-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
