"""The components that show what was found, and ask for more of it without the model."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from vxa.maps.settings import MaskSettings, Selection
from vxa.pictures.modes import MODES
from vxa.pictures.view import View
from vxa.tracing.timesteps import DEFAULT_TIMESTEPS
from vxa.ui import strings
from vxa.ui.asked import Asked
from vxa.ui.backend import Backend
from vxa.ui.compat import component, facts
from vxa.ui.piece import html

__all__ = ["Shown", "shown"]


@dataclass(frozen=True)
class Shown:
    """The components that show what was found, and ask for more of it without the model."""

    message: Any
    stamp: Any
    live: Any
    earlier: Any
    picture: Any
    summary: Any
    mode: Any
    sites: Any
    heads: Any
    refine: Any
    opacity: Any
    threshold: Any
    colormap: Any
    normalize: Any
    resample: Any
    compared: Any
    against_chips: Any
    against: Any
    strip: Any
    timesteps: Any
    look_at_timesteps: Any
    spot: Any
    command: Any
    python: Any
    edges: Any
    save: Any
    files: Any
    keep: Any
    kept: Any
    pointed: Any
    peeked: Any


def shown(backend: Backend, chips: str) -> Shown:
    """What shows the answers, and asks for others; `chips` are the first prompt's, to compare with."""
    asked = Asked()
    empty = strings.EXAMPLES_EMPTY if backend.examples else strings.EMPTY
    return Shown(
        message=html("", "message"),
        mode=component(
            gr.Radio, label=strings.MODE, choices=list(MODES), value=asked.mode, elem_id="vxa_mode"
        ),
        **_comparing(chips),
        **_several(backend),
        earlier=html("", "earlier"),
        live=html("", "live"),
        picture=component(
            gr.Image, label=strings.PICTURE, show_label=False, type="pil", format="png", interactive=False,
            alt_text=strings.PICTURE_ALT, show_share_button=False, buttons=["download", "fullscreen"],
            elem_id="vxa_picture",
        ),
        summary=html(f'<p class="vxa-hint">{escape(empty)}</p>', "summary"),
        **_places(backend, asked),
        refine=component(
            gr.Checkbox,
            **facts(Selection, "refine"),
            value=asked.refine,
            elem_id="vxa_refine",
        ),
        **_look(asked),
        **_scales(asked),
        spot=html(f'<p class="vxa-hint">{escape(strings.SPOT_HINT)}</p>', "spot"),
        **_taking(backend, asked),
        # Hidden by the style: what gradio hides itself is not in the page, and neither changes nor is found.
        stamp=component(gr.Textbox, label=strings.STAMP, max_lines=1, elem_id="vxa_stamp"),
        pointed=component(gr.Textbox, label=strings.POINTED, max_lines=1, elem_id="vxa_pointed"),
        peeked=html("", "peeked"),
    )  # fmt: skip


def _comparing(chips: str) -> dict[str, Any]:
    """The second selection, which mode "difference" shows."""
    group = component(gr.Column, visible=False, elem_id="vxa_compared", elem_classes=["vxa-group"])
    with group:
        html(f'<p class="vxa-hint">{escape(strings.AGAINST_LEAD)}</p>', "lead")
        return {
            "compared": group,
            "against_chips": html(chips, "tokens_against"),
            "against": component(
                gr.Textbox, label=strings.AGAINST, placeholder=strings.INDICES_HINT, max_lines=1,
                elem_id="vxa_against",
            ),
        }  # fmt: skip


def _several(backend: Backend) -> dict[str, Any]:
    """The passes at several timesteps, which mode "timesteps" shows."""
    group = component(gr.Column, visible=False, elem_id="vxa_strip", elem_classes=["vxa-group"])
    first = ", ".join(str(timestep) for timestep in DEFAULT_TIMESTEPS if timestep < backend.timesteps)
    with group:
        return {
            "strip": group,
            "timesteps": component(
                gr.Textbox, label=strings.TIMESTEPS, info=strings.TIMESTEPS_INFO, value=first, max_lines=1,
                elem_id="vxa_timesteps",
            ),
            "look_at_timesteps": component(
                gr.Button, value=strings.LOOK_AT_TIMESTEPS, elem_id="vxa_look_at_timesteps"
            ),
        }  # fmt: skip


def _places(backend: Backend, asked: Asked) -> dict[str, Any]:
    with component(gr.Row, equal_height=True):
        return {
            "sites": component(
                gr.Dropdown,
                **{**facts(Selection, "sites", info=strings.SITES_INFO), "choices": list(backend.sites)},
                value=backend.sites[0], allow_custom_value=True, scale=3, min_width=220, elem_id="vxa_sites",
            ),
            "heads": component(
                gr.Textbox, **facts(Selection, "heads"), value=asked.heads, max_lines=1,
                scale=2, elem_id="vxa_heads",
            ),
        }  # fmt: skip


def _look(asked: Asked) -> dict[str, Any]:
    def slider(name: str) -> Any:
        return component(
            gr.Slider, **facts(View, name, info=None), value=getattr(asked, name), min_width=140,
            elem_id=f"vxa_{name}",
        )  # fmt: skip

    with component(gr.Row, equal_height=True):
        return {
            "opacity": slider("opacity"),
            "threshold": slider("threshold"),
            "colormap": component(
                gr.Dropdown, **facts(View, "colormap", info=None), value=asked.colormap,
                min_width=140, elem_id="vxa_colormap",
            ),
        }  # fmt: skip


def _scales(asked: Asked) -> dict[str, Any]:
    with component(gr.Row, equal_height=True):
        return {
            "normalize": component(
                gr.Dropdown, **facts(View, "normalize"), value=asked.normalize,
                min_width=140, elem_id="vxa_normalize",
            ),
            "resample": component(
                gr.Dropdown, **facts(View, "resample"), value=asked.resample,
                min_width=140, elem_id="vxa_resample",
            ),
        }  # fmt: skip


def _taking(backend: Backend, asked: Asked) -> dict[str, Any]:
    with component(gr.Accordion, label=strings.EXPORT, open=False, elem_id="vxa_take"):
        copied = {"show_copy_button": True, "buttons": ["copy"], "interactive": False}
        return {
            **_keeping(backend),
            "command": component(gr.Textbox, label=strings.COMMAND, lines=2, elem_id="vxa_command", **copied),
            "python": component(gr.Textbox, label=strings.PYTHON, lines=7, elem_id="vxa_python", **copied),
            "edges": component(
                gr.Checkbox, **facts(MaskSettings, "edges"), value=asked.edges, elem_id="vxa_edges"
            ),
            "save": component(gr.Button, value=strings.SAVE, elem_id="vxa_save"),
            "files": component(
                gr.File, label=strings.FILES, file_count="multiple", interactive=False, elem_id="vxa_files"
            ),
        }


def _keeping(backend: Backend) -> dict[str, Any]:
    """What saves the picture among the host's own."""
    able = backend.keep is not None
    return {
        "keep": component(gr.Button, value=strings.KEEP, visible=able, elem_id="vxa_keep"),
        "kept": html("", "kept"),
    }
