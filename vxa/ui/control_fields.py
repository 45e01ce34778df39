"""The components of the control with which the page makes pictures, and of the pictures made together."""

from __future__ import annotations

from typing import Any

import gradio as gr

from vxa.steering import PromptToPrompt, StyleAligned
from vxa.ui import strings
from vxa.ui.compat import component, facts, plain
from vxa.ui.steering import CHOICES

__all__ = ["control_fields", "group_updates", "together_gallery"]

_GROUPS = {"edit": strings.EDIT, "style": strings.STYLE, "weigh": strings.REWEIGHT}
"""The group of fields of each control, in the order of `group_updates`."""


def control_fields() -> dict[str, Any]:
    """Build the choice of a control, and the groups of fields, of which the chosen one's is shown."""
    return {
        "control": component(
            gr.Dropdown, label=strings.CONTROL, info=strings.CONTROL_INFO, choices=list(CHOICES),
            value=strings.NO_CONTROL, elem_id="vxa_control",
        ),
        **_edit(),
        **_style(),
        **_weigh(),
    }  # fmt: skip


def group_updates(control: str | None) -> list[Any]:
    """Return which groups are shown for a control."""
    return [gr.update(visible=name == control) for name in _GROUPS.values()]


def _group(name: str) -> Any:
    return component(gr.Column, visible=False, elem_id=f"vxa_{name}", elem_classes=["vxa-group"])


def _edit() -> dict[str, Any]:
    group = _group("edit")
    with group:
        return {
            "edit": group,
            "target": component(
                gr.Textbox,
                label=strings.TARGET,
                placeholder=strings.TARGET_HINT,
                lines=2,
                elem_id="vxa_target",
            ),
            "cross_until": _slider("cross_until"),
            "self_until": _slider("self_until"),
            "local_blend": component(
                gr.Textbox, **facts(PromptToPrompt, "local_blend"), max_lines=1, elem_id="vxa_local_blend"
            ),
            "reweight": component(
                gr.Textbox, **facts(PromptToPrompt, "reweight"), max_lines=1, elem_id="vxa_reweight"
            ),
        }


def _slider(name: str) -> Any:
    value = getattr(PromptToPrompt, name)
    return component(gr.Slider, **facts(PromptToPrompt, name), value=value, elem_id=f"vxa_{name}")


def _style() -> dict[str, Any]:
    group = _group("style")
    with group:
        return {
            "style": group,
            "prompts": component(
                gr.Textbox, label=strings.FURTHER_PROMPTS, info=strings.FURTHER_PROMPTS_HINT, lines=3,
                elem_id="vxa_prompts",
            ),
            # A box and no slider: of its range, up to 100, the lowest part alone is of use.
            "strength": component(
                gr.Number, **_unbounded(facts(StyleAligned, "strength")), value=StyleAligned.strength,
                elem_id="vxa_strength",
            ),
        }  # fmt: skip


def _unbounded(found: dict[str, Any]) -> dict[str, Any]:
    """Return the facts without the bounds, which a number box would tell in no sentence of ours."""
    return {name: value for name, value in found.items() if name not in ("minimum", "maximum")}


def _weigh() -> dict[str, Any]:
    group = _group("weigh")
    with group:
        return {
            "weigh": group,
            "words": component(
                gr.Textbox,
                label=strings.FACTORS,
                info=plain(strings.FACTORS_INFO),
                max_lines=1,
                elem_id="vxa_words",
            ),
        }


def together_gallery() -> Any:
    """Build the gallery of pictures that were made together; it is not shown before there are some."""
    return component(
        gr.Gallery, label=strings.TOGETHER, columns=2, height="auto", object_fit="cover", allow_preview=False,
        interactive=False, format="png", type="filepath", buttons=[], show_download_button=False,
        show_share_button=False, visible=False, elem_id="vxa_together",
    )  # fmt: skip
