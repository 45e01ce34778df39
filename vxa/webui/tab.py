"""The VXA tab: the panel over the webui's model, or one sentence if the extension cannot be used."""

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
from vxa.webui.host.send_to import SendButtons
from vxa.webui.installed import problem
from vxa.webui.settings import initial_values

__all__ = ["tabs"]

Tabs = list[tuple[gr.Blocks, str, str]]


def tabs(script: str, send_buttons: SendButtons) -> Callable[[], Tabs]:
    """Return the callback that builds the tab for the webui's page; `script` is a file of the extension."""

    def build() -> Tabs:
        message = problem(script)
        if message:
            return [(_notice(message), strings.TAB, f"vxa_{abs(hash(script)):x}")]
        tab = _apply_settings(panel(webui_backend(), _folder()))
        send_buttons.connect(tab)
        return [(tab, strings.TAB, "vxa")]

    return build


def _notice(message: str) -> gr.Blocks:
    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.HTML(f'<div class="vxa-message"><p role="alert">{escape(message)}</p></div>')
    return blocks


def _apply_settings(blocks: gr.Blocks) -> gr.Blocks:
    """Set the initial values of the controls; keep all controls out of the webui's ui-config.json.

    There the webui saves the initial values of its own pages; a prompt must not become a default.
    """
    components: dict[int, Any] = blocks.blocks
    initial = initial_values()
    for component in components.values():
        component.do_not_save_to_config = True
        if getattr(component, "elem_id", None) in initial:
            component.value = initial[component.elem_id]  # as the webui sets values from ui-config.json
    return blocks


@cache
def _folder() -> Path:
    """Return a folder for the files that the tab offers; it is removed when the webui ends."""
    folder = Path(tempfile.mkdtemp(prefix="vxa-")).resolve()  # as vxa.ui.app does
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
