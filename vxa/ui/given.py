"""The components that say what to look at, told their facts by a Backend."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from vxa.tracing.settings import PassSettings
from vxa.ui import strings
from vxa.ui.backend import Backend
from vxa.ui.compat import component, facts
from vxa.ui.control_fields import control_fields, together_gallery
from vxa.ui.piece import html
from vxa.ui.upload import UploadedImage

__all__ = ["Given", "given"]


@dataclass(frozen=True)
class Given:
    """The components that say what to look at, and how."""

    image: Any
    offer: Any
    offered: Any
    use: Any
    examples: Any
    prompt: Any
    chips: Any
    indices: Any
    noted: Any
    anchor: Any
    followed: Any
    press: Any
    stop: Any
    timestep: Any
    noise: Any
    noise_seed: Any
    seed: Any
    make: Any
    # Of the control; None where no images are made.
    control: Any = None
    edit: Any = None
    target: Any = None
    cross_until: Any = None
    self_until: Any = None
    local_blend: Any = None
    reweight: Any = None
    style: Any = None
    prompts: Any = None
    strength: Any = None
    weigh: Any = None
    words: Any = None
    together: Any = None


def given(backend: Backend, chips: str, anchor: str) -> Given:
    """What says what to look at; `chips` are those of the first example's prompt, which `anchor` tells."""
    first = backend.examples[0] if backend.examples else None
    prompt = first.prompt if first else ""
    return Given(
        image=component(
            UploadedImage, value=str(first.path) if first else None, label=strings.IMAGE, type="filepath",
            sources=["upload", "clipboard"], image_mode=None, format="png", height=300,
            alt_text=strings.IMAGE, elem_id="vxa_image",
        ),
        **_offering(),
        examples=_gallery(backend, strings.EXAMPLES_HINT),
        prompt=component(
            gr.Textbox, value=prompt, label=strings.PROMPT, placeholder=strings.PROMPT_HINT, lines=2,
            elem_id="vxa_prompt",
        ),
        chips=html(chips, "tokens"),
        indices=component(
            gr.Textbox, label=strings.INDICES, placeholder=strings.INDICES_HINT, max_lines=1,
            elem_id="vxa_indices",
        ),
        noted=html("", "noted"),
        # Hidden by the style, as those of what is shown.
        anchor=component(
            gr.Textbox, value=anchor, label=strings.ANCHOR, max_lines=1, elem_id="vxa_anchor"
        ),
        followed=component(gr.Textbox, label=strings.FOLLOWED, max_lines=1, elem_id="vxa_followed"),
        **_buttons(),
        **_pass_settings(backend),
        **_making(backend),
    )  # fmt: skip


def _offering() -> dict[str, Any]:
    """What an image says of how it was made, and the button that takes it over."""
    row = component(gr.Row, visible=False, elem_id="vxa_offered", elem_classes=["vxa-offered"])
    with row:
        return {
            "offered": row,
            "offer": html("", "offer"),
            "use": component(
                gr.Button, value=strings.USE_OFFERED, scale=0, min_width=140, size="sm", elem_id="vxa_use"
            ),
        }


def _gallery(backend: Backend, hint: str) -> Any:
    if backend.examples:
        html(f'<p class="vxa-hint">{escape(hint)}</p>', "hint")
    return component(
        gr.Gallery, value=[(str(example.path), example.prompt) for example in backend.examples],
        label=strings.EXAMPLES, columns=max(1, len(backend.examples)), rows=1, height="auto",
        object_fit="cover", allow_preview=False, show_label=False, interactive=False, format="png",
        buttons=[], show_download_button=False, show_share_button=False, visible=bool(backend.examples),
        elem_id="vxa_examples",
    )  # fmt: skip


def _buttons() -> dict[str, Any]:
    with component(gr.Row, elem_classes=["vxa-buttons"]):
        return {
            "press": component(
                gr.Button, value=strings.PRESS, variant="primary", scale=3, elem_id="vxa_press"
            ),
            "stop": component(gr.Button, value=strings.STOP, scale=1, min_width=80, elem_id="vxa_stop"),
        }


def _pass_settings(backend: Backend) -> dict[str, Any]:
    with component(gr.Accordion, label=strings.SETTINGS, open=False, elem_id="vxa_settings"):
        return {
            "timestep": component(
                gr.Slider, **facts(PassSettings, "timestep"),
                maximum=backend.timesteps - 1, value=backend.timestep, elem_id="vxa_timestep",
            ),
            "noise": component(
                gr.Radio, **facts(PassSettings, "noise"),
                value=backend.noise, elem_id="vxa_noise",
            ),
            "noise_seed": component(
                gr.Number, **facts(PassSettings, "seed"), value=0, precision=0,
                elem_id="vxa_noise_seed",
            ),
        }  # fmt: skip


def _making(backend: Backend) -> dict[str, Any]:
    able = backend.paint is not None
    with component(gr.Accordion, label=strings.GENERATE, open=False, visible=able, elem_id="vxa_making"):
        html(f'<p class="vxa-hint">{escape(strings.MAKE_HINT)}</p>', "make_hint")
        return {
            "seed": component(gr.Number, label=strings.SEED, value=0, precision=0, elem_id="vxa_seed"),
            **(control_fields() if able else {}),
            "make": component(gr.Button, value=strings.MAKE, elem_id="vxa_make"),
            **({"together": together_gallery()} if able else {}),
        }
