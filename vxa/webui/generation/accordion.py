"""The accordion "VXA" of txt2img and img2img: one control per field of TraceOptions, in their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from vxa.maps.settings import Selection
from vxa.pictures.view import COLORMAPS, View
from vxa.settings import setting_of
from vxa.webui import strings
from vxa.webui.generation.options import PICTURES, TraceOptions, pasted_value

__all__ = ["build_controls", "build_notice", "paste_fields"]


def build_controls(accordion: Callable[..., Any], name_of: Callable[[str], str]) -> list[Any]:
    """Build the controls and return them.

    Args:
        accordion: the webui's InputAccordion, whose value is True while it is open.
        name_of: returns a control's elem_id.
    """
    defaults = TraceOptions()
    with accordion(False, label=strings.TAB, elem_id=name_of("enabled")) as enabled:
        gr.HTML(strings.TRACED_LEAD)
        words = gr.Textbox(
            defaults.words, label=strings.TRACED_WORDS, placeholder=strings.TRACED_WORDS_HINT,
            elem_id=name_of("words"),
        )  # fmt: skip
        show = gr.CheckboxGroup(
            list(PICTURES), value=list(defaults.show), label=strings.TRACED_SHOW, elem_id=name_of("show")
        )
        with gr.Row():
            maps = list(COLORMAPS)
            colormap = gr.Dropdown(
                maps,
                value=defaults.colormap,
                label=setting_of(View, "colormap").label,
                elem_id=name_of("colormap"),
            )
            opacity = gr.Slider(
                0,
                1,
                defaults.opacity,
                step=0.05,
                label=setting_of(View, "opacity").label,
                elem_id=name_of("opacity"),
            )
        sites = gr.Textbox(
            defaults.sites, label=strings.TRACED_SITES, placeholder=strings.TRACED_SITES_HINT,
            elem_id=name_of("sites"),
        )  # fmt: skip
        with gr.Row():
            save = gr.Checkbox(defaults.save, label=strings.TRACED_SAVE, elem_id=name_of("save"))
            live = gr.Checkbox(defaults.live, label=strings.TRACED_LIVE, elem_id=name_of("live"))
            refine = gr.Checkbox(
                defaults.refine, label=setting_of(Selection, "refine").label, elem_id=name_of("refine")
            )
    return [enabled, words, show, colormap, opacity, sites, save, live, refine]


def paste_fields(controls: list[Any]) -> list[tuple[Any, Callable[[dict[str, Any]], Any]]]:
    """Return each control with the function that reads its value from a pasted infotext's entries."""
    return [(control, _reader(name)) for control, name in zip(controls, TraceOptions.names(), strict=True)]


def _reader(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda entries: pasted_value(name, entries)


def build_notice(message: str) -> None:
    """Build the accordion of an extension that cannot be used: only a message."""
    with gr.Accordion(strings.TAB, open=False):
        gr.HTML(message)
