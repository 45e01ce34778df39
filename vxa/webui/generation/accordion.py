"""The accordion "VXA" of txt2img and img2img: one control for each field of TraceOptions, in their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from vxa.pictures.view import COLORMAPS
from vxa.ui import strings as page_strings
from vxa.webui import strings
from vxa.webui.generation.options import SHOWN, TraceOptions, pasted

__all__ = ["controls", "notice", "paste_fields"]


def controls(accordion: Callable[..., Any], name_of: Callable[[str], str]) -> list[Any]:
    """The controls.

    Args:
        accordion: the webui's InputAccordion, which is on while it is open.
        name_of: the elem_id of a control.
    """
    usual = TraceOptions()
    with accordion(False, label=strings.TAB, elem_id=name_of("enabled")) as enabled:
        gr.HTML(strings.TRACED_LEAD)
        words = gr.Textbox(
            usual.words, label=strings.TRACED_WORDS, placeholder=strings.TRACED_WORDS_HINT,
            elem_id=name_of("words"),
        )  # fmt: skip
        show = gr.CheckboxGroup(
            list(SHOWN), value=list(usual.show), label=strings.TRACED_SHOW, elem_id=name_of("show")
        )
        with gr.Row():
            maps = list(COLORMAPS)
            colormap = gr.Dropdown(
                maps, value=usual.colormap, label=page_strings.COLORMAP, elem_id=name_of("colormap")
            )
            opacity = gr.Slider(
                0, 1, usual.opacity, step=0.05, label=page_strings.OPACITY, elem_id=name_of("opacity")
            )
        sites = gr.Textbox(
            usual.sites, label=strings.TRACED_SITES, placeholder=strings.TRACED_SITES_HINT,
            elem_id=name_of("sites"),
        )  # fmt: skip
        with gr.Row():
            save = gr.Checkbox(usual.save, label=strings.TRACED_SAVE, elem_id=name_of("save"))
            live = gr.Checkbox(usual.live, label=strings.TRACED_LIVE, elem_id=name_of("live"))
            refine = gr.Checkbox(usual.refine, label=page_strings.REFINE, elem_id=name_of("refine"))
    return [enabled, words, show, colormap, opacity, sites, save, live, refine]


def paste_fields(made: list[Any]) -> list[tuple[Any, Callable[[dict[str, Any]], Any]]]:
    """What pasting an infotext gives each control."""
    return [(control, _reader(name)) for control, name in zip(made, TraceOptions.names(), strict=True)]


def _reader(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda told: pasted(name, told)


def notice(said: str) -> None:
    """The accordion of an extension that cannot be used."""
    with gr.Accordion(strings.TAB, open=False):
        gr.HTML(said)
