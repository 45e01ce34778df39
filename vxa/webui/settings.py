"""The VXA page of the webui's settings: what the tab's controls say at first, and what is saved where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from vxa.pictures.modes import MODES
from vxa.pictures.view import COLORMAPS
from vxa.tracing.settings import NOISES
from vxa.ui.asked import Asked
from vxa.webui import strings
from vxa.webui.host import options
from vxa.webui.host.files import folder_is_shown, outputs_folder

__all__ = ["add_settings", "first_values", "keeps_all", "kept_folder"]

_KEEP_ALL, _FOLDER = "vxa_keep_all", "vxa_folder"


@dataclass(frozen=True)
class Setting:
    """One setting, and the control of the tab that begins with it, where there is one.

    Attributes:
        name: the setting's name, which is the control's elem_id.
        default: what the tab says without it; blank is the control's own.
        label: what the settings page calls it.
        kind, arguments: the component that asks for it.
        fits: whether a value that was saved, maybe long ago, is one that the control knows.
        by_hand: whether the webui's API must not set it.
    """

    name: str
    default: Any
    label: str
    kind: type[Any]
    arguments: dict[str, Any] = field(default_factory=dict)
    fits: Callable[[Any], bool] = bool
    by_hand: bool = False


def _choice(name: str, default: str, label: str, choices: tuple[str, ...]) -> Setting:
    return Setting(name, default, label, gr.Dropdown, {"choices": list(choices)}, choices.__contains__)


def _of_controls() -> tuple[Setting, ...]:
    return (
        Setting("vxa_sites", "", strings.SITES_FIRST, gr.Textbox),
        _choice("vxa_mode", Asked.mode, strings.MODE_FIRST, tuple(MODES)),
        _choice("vxa_colormap", Asked.colormap, strings.COLORMAP_FIRST, tuple(COLORMAPS)),
        Setting(
            "vxa_threshold", Asked.threshold, strings.THRESHOLD_FIRST, gr.Slider,
            {"minimum": 0, "maximum": 1, "step": 0.05}, lambda value: 0 <= value <= 1,
        ),
        _choice("vxa_noise", "none", strings.NOISE_FIRST, NOISES),
    )  # fmt: skip


def _of_saving() -> tuple[Setting, ...]:
    return (
        Setting(_KEEP_ALL, False, strings.KEEP_ALL, gr.Checkbox),
        Setting(
            _FOLDER, outputs_folder(), strings.KEEP_FOLDER, gr.Textbox, {"visible": folder_is_shown()},
            by_hand=True,
        ),
    )  # fmt: skip


def add_settings() -> None:
    """Add the page to the webui's settings, each time it builds them."""
    for one in (*_of_controls(), *_of_saving()):
        options.add_option(one.name, one.default, one.label, one.kind, one.arguments, one.by_hand)


def first_values() -> dict[str, Any]:
    """What the tab's controls say at first, by their elem_id, where a setting says it."""
    chosen = {one.name: options.option(one.name, one.default) for one in _of_controls()}
    return {one.name: chosen[one.name] for one in _of_controls() if one.fits(chosen[one.name])}


def keeps_all() -> bool:
    """Whether the picture of every pass is saved."""
    return bool(options.option(_KEEP_ALL, False))


def kept_folder() -> str:
    """Where pictures are saved."""
    return str(options.option(_FOLDER, "")).strip() or outputs_folder()
