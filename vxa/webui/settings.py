"""The VXA page of the webui's settings: default values of the tab's controls, and saving of pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from vxa.pictures.modes import MODES
from vxa.pictures.view import COLORMAPS
from vxa.tracing.settings import NOISES, PassSettings
from vxa.ui.asked import Asked
from vxa.webui import strings
from vxa.webui.host import options
from vxa.webui.host.files import outputs_folder, shows_folders

__all__ = ["add_settings", "initial_values", "pictures_folder", "saves_every_picture"]

_SAVE_ALL, _FOLDER = "vxa_keep_all", "vxa_folder"


@dataclass(frozen=True)
class Setting:
    """One setting, and perhaps the tab's control whose initial value it is.

    Attributes:
        name: the setting's name, which is the control's elem_id.
        default: the setting's default; blank keeps the control's own initial value.
        label: the label on the settings page.
        kind, arguments: the gradio component of the settings page, and its arguments.
        fits: returns whether the control accepts a saved value, which an older version may have written.
        restrict_api: whether the webui's API must not set it.
    """

    name: str
    default: Any
    label: str
    kind: type[Any]
    arguments: dict[str, Any] = field(default_factory=dict)
    fits: Callable[[Any], bool] = bool
    restrict_api: bool = False


def _choice(name: str, default: str, label: str, choices: tuple[str, ...]) -> Setting:
    return Setting(name, default, label, gr.Dropdown, {"choices": list(choices)}, choices.__contains__)


def _control_settings() -> tuple[Setting, ...]:
    return (
        Setting("vxa_sites", "", strings.SITES_SETTING, gr.Textbox),
        _choice("vxa_mode", Asked.mode, strings.MODE_SETTING, tuple(MODES)),
        _choice("vxa_colormap", Asked.colormap, strings.COLORMAP_SETTING, tuple(COLORMAPS)),
        Setting(
            "vxa_threshold", Asked.threshold, strings.THRESHOLD_SETTING, gr.Slider,
            {"minimum": 0, "maximum": 1, "step": 0.05}, lambda value: 0 <= value <= 1,
        ),
        _choice("vxa_noise", PassSettings.noise, strings.NOISE_SETTING, NOISES),
    )  # fmt: skip


def _saving_settings() -> tuple[Setting, ...]:
    return (
        Setting(_SAVE_ALL, False, strings.SAVE_ALL_SETTING, gr.Checkbox),
        Setting(
            _FOLDER, outputs_folder(), strings.FOLDER_SETTING, gr.Textbox, {"visible": shows_folders()},
            restrict_api=True,
        ),
    )  # fmt: skip


def add_settings() -> None:
    """Add the page to the webui's settings; the webui calls this each time it builds them."""
    for one in (*_control_settings(), *_saving_settings()):
        options.add_option(one.name, one.default, one.label, one.kind, one.arguments, one.restrict_api)


def initial_values() -> dict[str, Any]:
    """Return the initial values that the settings give the tab's controls, by elem_id."""
    values = {one.name: options.option(one.name, one.default) for one in _control_settings()}
    return {one.name: values[one.name] for one in _control_settings() if one.fits(values[one.name])}


def saves_every_picture() -> bool:
    """Return whether the picture of every pass is saved."""
    return bool(options.option(_SAVE_ALL, False))


def pictures_folder() -> str:
    """Return the folder in which pictures are saved."""
    return str(options.option(_FOLDER, "")).strip() or outputs_folder()
