"""The VXA page of the webui's settings: what the tab's controls say at first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from vxa.colormaps import COLORMAPS
from vxa.render import MODES
from vxa.ui import texts
from vxa.ui.asked import Asked
from vxa.ui.given import NOISES
from vxa.webui import host

__all__ = ["add_settings", "first_values"]


@dataclass(frozen=True)
class Setting:
    """One setting, and the control of the tab that begins with it.

    Attributes:
        control: the control's elem_id, and the setting's name.
        default: what the tab says without it; blank is the control's own.
        label: what the settings page calls it.
        kind, arguments: the component that asks for it.
        fits: whether a value that was saved, maybe long ago, is one that the control knows.
    """

    control: str
    default: Any
    label: str
    kind: type[Any]
    arguments: dict[str, Any] = field(default_factory=dict)
    fits: Callable[[Any], bool] = bool


def _choice(control: str, default: str, label: str, choices: tuple[str, ...]) -> Setting:
    return Setting(control, default, label, gr.Dropdown, {"choices": list(choices)}, choices.__contains__)


def _settings() -> tuple[Setting, ...]:
    return (
        Setting("vxa_sites", "", texts.SITES_FIRST, gr.Textbox),
        _choice("vxa_mode", Asked.mode, texts.MODE_FIRST, tuple(MODES)),
        _choice("vxa_colormap", Asked.colormap, texts.COLORMAP_FIRST, tuple(COLORMAPS)),
        Setting(
            "vxa_threshold", Asked.threshold, texts.THRESHOLD_FIRST, gr.Slider,
            {"minimum": 0, "maximum": 1, "step": 0.05}, lambda value: 0 <= value <= 1,
        ),
        _choice("vxa_noise", "none", texts.NOISE_FIRST, NOISES),
    )  # fmt: skip


def add_settings() -> None:
    """Add the page to the webui's settings, each time it builds them."""
    for one in _settings():
        host.add_option(one.control, one.default, one.label, one.kind, one.arguments)


def first_values() -> dict[str, Any]:
    """What the tab's controls say at first, by their elem_id, where a setting says it."""
    chosen = {one.control: host.option(one.control, one.default) for one in _settings()}
    return {one.control: chosen[one.control] for one in _settings() if one.fits(chosen[one.control])}
