"""The components of the panel, told their facts by a Backend. What they do is in panel and handlers."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from vxa.colormaps import COLORMAPS
from vxa.render import MODES
from vxa.ui import texts
from vxa.ui.asked import Asked
from vxa.ui.backend import Backend
from vxa.ui.compat import component

__all__ = ["Given", "Shown", "given", "html", "shown"]

NOISES = ("none", "matched")


@dataclass(frozen=True)
class Given:
    """The components that say what to look at, and how."""

    image: Any
    examples: Any
    prompt: Any
    chips: Any
    indices: Any
    press: Any
    stop: Any
    timestep: Any
    noise: Any
    seed: Any
    make: Any


@dataclass(frozen=True)
class Shown:
    """The components that show what was found, and ask for more of it without the model."""

    message: Any
    picture: Any
    summary: Any
    mode: Any
    sites: Any
    heads: Any
    opacity: Any
    threshold: Any
    colormap: Any
    spot: Any
    command: Any
    python: Any
    save: Any
    files: Any


def given(backend: Backend, chips: str) -> Given:
    """What says what to look at; `chips` are those of the first example's prompt."""
    first = backend.examples[0] if backend.examples else None
    prompt = first.prompt if first else ""
    return Given(
        image=component(
            gr.Image, value=str(first.path) if first else None, label=texts.IMAGE, type="filepath",
            sources=["upload", "clipboard"], image_mode=None, format="png", height=300,
            alt_text=texts.IMAGE, elem_id="vxa_image",
        ),
        examples=_gallery(backend, texts.EXAMPLES_HINT),
        prompt=component(
            gr.Textbox, value=prompt, label=texts.PROMPT, placeholder=texts.PROMPT_HINT, lines=2,
            elem_id="vxa_prompt",
        ),
        chips=html(chips, "tokens"),
        indices=component(
            gr.Textbox, label=texts.INDICES, placeholder=texts.INDICES_HINT, max_lines=1,
            elem_id="vxa_indices",
        ),
        **_buttons(),
        **_pass_settings(backend),
        **_making(backend),
    )  # fmt: skip


def _gallery(backend: Backend, hint: str) -> Any:
    if backend.examples:
        html(f'<p class="vxa-hint">{escape(hint)}</p>', "hint")
    return component(
        gr.Gallery, value=[(str(example.path), example.prompt) for example in backend.examples],
        label=texts.EXAMPLES, columns=max(1, len(backend.examples)), rows=1, height="auto",
        object_fit="cover", allow_preview=False, show_label=False, interactive=False, format="png",
        buttons=[], show_download_button=False, show_share_button=False, visible=bool(backend.examples),
        elem_id="vxa_examples",
    )  # fmt: skip


def _buttons() -> dict[str, Any]:
    with component(gr.Row, elem_classes=["vxa-buttons"]):
        return {
            "press": component(gr.Button, value=texts.PRESS, variant="primary", scale=3, elem_id="vxa_press"),
            "stop": component(gr.Button, value=texts.STOP, scale=1, min_width=80, elem_id="vxa_stop"),
        }


def _pass_settings(backend: Backend) -> dict[str, Any]:
    with component(gr.Accordion, label=texts.SETTINGS, open=False, elem_id="vxa_settings"):
        return {
            "timestep": component(
                gr.Slider, label=texts.TIMESTEP, info=texts.TIMESTEP_INFO, minimum=0, step=1,
                maximum=backend.timesteps - 1, value=backend.timestep, elem_id="vxa_timestep",
            ),
            "noise": component(
                gr.Radio, label=texts.NOISE, info=texts.NOISE_INFO, choices=list(NOISES), value=backend.noise,
                elem_id="vxa_noise",
            ),
        }  # fmt: skip


def _making(backend: Backend) -> dict[str, Any]:
    able = backend.generate is not None
    with component(gr.Accordion, label=texts.GENERATE, open=False, visible=able, elem_id="vxa_making"):
        return {
            "seed": component(gr.Number, label=texts.SEED, value=0, precision=0, elem_id="vxa_seed"),
            "make": component(gr.Button, value=texts.MAKE, elem_id="vxa_make"),
        }


def shown(backend: Backend) -> Shown:
    """What shows the answers, and asks for others."""
    asked = Asked()
    return Shown(
        message=html("", "message"),
        mode=component(
            gr.Radio, label=texts.MODE, choices=list(MODES), value=asked.mode, elem_id="vxa_mode"
        ),
        picture=component(
            gr.Image, label=texts.PICTURE, show_label=False, type="pil", format="png", interactive=False,
            alt_text=texts.PICTURE_ALT, show_share_button=False, buttons=["download", "fullscreen"],
            elem_id="vxa_picture",
        ),
        summary=html(f'<p class="vxa-hint">{escape(texts.EMPTY)}</p>', "summary"),
        **_places(backend, asked),
        **_look(asked),
        spot=html(f'<p class="vxa-hint">{escape(texts.SPOT_HINT)}</p>', "spot"),
        **_taking(),
    )  # fmt: skip


def _places(backend: Backend, asked: Asked) -> dict[str, Any]:
    with component(gr.Row, equal_height=True):
        return {
            "sites": component(
                gr.Dropdown, label=texts.SITES, info=texts.SITES_INFO, choices=list(backend.sites),
                value=backend.sites[0], allow_custom_value=True, min_width=220, elem_id="vxa_sites",
            ),
            "heads": component(
                gr.Textbox, label=texts.HEADS, info=texts.HEADS_INFO, value=asked.heads, max_lines=1,
                elem_id="vxa_heads",
            ),
        }  # fmt: skip


def _look(asked: Asked) -> dict[str, Any]:
    def fraction(label: str, value: float, elem_id: str) -> Any:
        return component(
            gr.Slider,
            label=label,
            minimum=0,
            maximum=1,
            step=0.05,
            value=value,
            min_width=140,
            elem_id=elem_id,
        )

    with component(gr.Row, equal_height=True):
        return {
            "opacity": fraction(texts.OPACITY, asked.opacity, "vxa_opacity"),
            "threshold": fraction(texts.THRESHOLD, asked.threshold, "vxa_threshold"),
            "colormap": component(
                gr.Dropdown, label=texts.COLORMAP, choices=list(COLORMAPS), value=asked.colormap,
                min_width=140, elem_id="vxa_colormap",
            ),
        }  # fmt: skip


def _taking() -> dict[str, Any]:
    with component(gr.Accordion, label=texts.TAKE, open=False, elem_id="vxa_take"):
        copied = {"show_copy_button": True, "buttons": ["copy"], "interactive": False}
        return {
            "command": component(gr.Textbox, label=texts.COMMAND, lines=2, elem_id="vxa_command", **copied),
            "python": component(gr.Textbox, label=texts.PYTHON, lines=7, elem_id="vxa_python", **copied),
            "save": component(gr.Button, value=texts.SAVE, elem_id="vxa_save"),
            "files": component(
                gr.File, label=texts.FILES, file_count="multiple", interactive=False, elem_id="vxa_files"
            ),
        }


def html(value: str, name: str) -> Any:
    """A piece of the page in HTML, `#vxa_name` and `.vxa-name`."""
    return component(
        gr.HTML, value=value, elem_id=f"vxa_{name}", elem_classes=["vxa-html", f"vxa-{name}"], padding=False
    )
