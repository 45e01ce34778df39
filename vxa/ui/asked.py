"""What a page asks of its maps, and the same question as a command and as Python."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from vxa.heat_map import DEFAULT_THRESHOLD
from vxa.maps import Provenance
from vxa.ui.backend import site_spec
from vxa.view import View

__all__ = ["Asked", "command_line", "python_lines"]

# What `vxa show` and `vxa.visualize` take when they are told nothing.
_PASS_DEFAULTS = {"timestep": 1, "noise": "none", "seed": 0}


@dataclass(frozen=True)
class Asked:
    """The controls of the page that need no model, as they stand, in their order.

    Attributes:
        selection: the indices box; blank is every word.
        sites: a label of the site dropdown, or sites written by hand.
        heads: "mean", or head numbers.
        mode: one of vxa.render.MODES.
        opacity, threshold, colormap: as in View.
    """

    selection: str = ""
    sites: str | None = None
    heads: str = "mean"
    mode: str = "overlay"
    opacity: float = View.opacity
    threshold: float = DEFAULT_THRESHOLD
    colormap: str = View.colormap

    def place(self) -> dict[str, Any]:
        """The sites and heads, as `heat_map` takes them, where they are not the default."""
        heads = (self.heads or "").strip()
        asked = {"sites": site_spec(self.sites), "heads": None if heads.lower() in ("", "mean") else heads}
        return {name: value for name, value in asked.items() if value is not None}

    def settings(self) -> dict[str, Any]:
        """The arguments of `vxa.render.render` that are not its defaults, and the mode."""
        # A comma that ends the box is somebody about to write the next index.
        tokens = (self.selection or "").strip().rstrip(",").strip()
        view = {"opacity": self.opacity, "threshold": self.threshold, "colormap": self.colormap}
        defaults = {"opacity": View.opacity, "threshold": DEFAULT_THRESHOLD, "colormap": View.colormap}
        changed = {name: value for name, value in view.items() if value != defaults[name]}
        return {"mode": self.mode, **({"tokens": tokens} if tokens else {}), **self.place(), **changed}


def command_line(source: str, image: str, made: Provenance, asked: Asked, output: str) -> str:
    """The `vxa show` line that makes the same picture of the image file."""
    options = {"model": source, **_pass_settings(made), **asked.settings()}
    if source == "papercut":
        del options["model"]
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    shown = [image, made.prompt]
    guard = ["--"] if any(text.startswith("-") for text in shown) else []
    first, last = ([], [*guard, *shown]) if guard else (shown, [])
    return shlex.join(["vxa", "show", *first, *words, "-o", output, *last])


def python_lines(source: str, image: str, made: Provenance, asked: Asked, output: str) -> str:
    """The Python lines that make the same picture of the image file."""
    settings = asked.settings()
    mode = settings.pop("mode")
    looking = _arguments("model", repr(image), repr(made.prompt), **_pass_settings(made))
    return "\n".join(
        [
            "import vxa",
            "from vxa.render import render",
            "",
            f"model = vxa.load({source!r})",
            f"maps = vxa.visualize({looking})",
            f"picture = render({_arguments('maps', repr(image), repr(mode), **settings)})",
            f"picture.save({output!r})",
        ]
    )


def _pass_settings(made: Provenance) -> dict[str, Any]:
    """How the pass was made, where not by default."""
    return {
        name: getattr(made, name)
        for name, default in _PASS_DEFAULTS.items()
        if getattr(made, name) != default
    }


def _arguments(*values: str, **named: Any) -> str:
    return ", ".join([*values, *(f"{name}={value!r}" for name, value in named.items())])
