"""VXA's axes of the webui's X/Y/Z plot: words, pictures, and sites; each cell is then a heat map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modules import scripts

from vxa.webui import strings
from vxa.webui.generation.options import PICTURES

__all__ = ["add_axes", "axes_of"]

_AXES = "vxa_axes"


def add_axes() -> None:
    """Add the axes, each time the webui builds its page; do nothing if the plot's script is missing."""
    for one in scripts.scripts_data:
        if one.script_class.__module__ == "xyz_grid.py":
            _add(one.module)
            return


def _add(plot: Any) -> None:
    known = {option.label for option in plot.axis_options}
    for option in (
        plot.AxisOption(strings.AXIS_WORDS, str, _setting("words")),
        plot.AxisOption(strings.AXIS_SHOW, str, _setting("show"), choices=lambda: list(PICTURES)),
        plot.AxisOption(strings.AXIS_SITES, str, _setting("sites")),
    ):
        if option.label not in known:
            plot.axis_options.append(option)


def _setting(name: str) -> Callable[[Any, str, Any], None]:
    """Return the function that sets a cell's value.

    The cell's generation is a shallow copy of the plot's, so it gets a new dict of values.
    """

    def apply(p: Any, value: str, values: Any) -> None:
        setattr(p, _AXES, {**axes_of(p), name: (value,) if name == "show" else value})

    return apply


def axes_of(p: Any) -> dict[str, Any]:
    """Return the axes' values for a generation; empty if it is no cell of a plot."""
    return dict(getattr(p, _AXES, {}))
