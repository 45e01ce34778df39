"""Pieces of the page that both of its sides are made of."""

from __future__ import annotations

from typing import Any

import gradio as gr

from vxa.ui.compat import component

__all__ = ["html"]


def html(value: str, name: str) -> Any:
    """A piece of the page in HTML, `#vxa_name` and `.vxa-name`."""
    return component(
        gr.HTML, value=value, elem_id=f"vxa_{name}", elem_classes=["vxa-html", f"vxa-{name}"], padding=False
    )
