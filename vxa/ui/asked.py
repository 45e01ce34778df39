"""What a page asks of its maps, and the same question as a command and as Python."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vxa.heat_map import DEFAULT_THRESHOLD
from vxa.maps import Provenance
from vxa.ui.backend import site_spec
from vxa.view import View

__all__ = ["Asked", "command_line", "python_lines"]

# What `vxa show` and `vxa.visualize` take when they are told nothing.
_PASS_DEFAULTS = {"timestep": 1, "noise": "none", "seed": 0}
_VIEW_DEFAULTS = {
    "opacity": View.opacity,
    "threshold": DEFAULT_THRESHOLD,
    "colormap": View.colormap,
    "normalize": View.normalize,
    "resample": View.resample,
}


@dataclass(frozen=True)
class Asked:
    """The controls of the page that need no model, as they stand, in their order.

    Attributes:
        selection: the indices box; blank is every word.
        sites: a label of the site dropdown, or sites written by hand.
        heads: "mean", or head numbers.
        mode: one of vxa.render.MODES.
        opacity, threshold, colormap, normalize, resample: as in View.
        against: the indices box of what mode "difference" compares with; blank is every word.
    """

    selection: str = ""
    sites: str | None = None
    heads: str = "mean"
    mode: str = "overlay"
    opacity: float = View.opacity
    threshold: float = DEFAULT_THRESHOLD
    colormap: str = View.colormap
    normalize: str = View.normalize
    resample: str = View.resample
    against: str = ""

    def place(self) -> dict[str, Any]:
        """The sites and heads, as `heat_map` takes them, where they are not the default."""
        heads = (self.heads or "").strip()
        asked = {"sites": site_spec(self.sites), "heads": None if heads.lower() in ("", "mean") else heads}
        return {name: value for name, value in asked.items() if value is not None}

    def settings(self) -> dict[str, Any]:
        """The arguments of `vxa.render.render` that are not its defaults, and the mode."""
        chosen = {"tokens": _indices(self.selection)}
        if self.mode == "difference":
            chosen["against_tokens"] = _indices(self.against)
        view = {name: getattr(self, name) for name in _VIEW_DEFAULTS}
        return {
            "mode": self.mode,
            **{name: value for name, value in chosen.items() if value},
            **self.place(),
            **{name: value for name, value in view.items() if value != _VIEW_DEFAULTS[name]},
        }


def _indices(box: str | None) -> str:
    """What a box chooses so far: a comma that ends it is somebody about to write the next index."""
    return (box or "").strip().rstrip(",").strip()


def command_line(source: str, image: str, passes: Sequence[Provenance], asked: Asked, output: str) -> str:
    """The `vxa show` line that makes the same picture of the image file, from these passes."""
    made = passes[0]
    options = {"model": source, **_pass_settings(passes), **asked.settings()}
    if source == "papercut":
        del options["model"]
    named = ((f"--{name.replace('_', '-')}", str(value)) for name, value in options.items())
    words = [word for pair in named for word in pair]
    shown = [image, made.prompt]
    guard = ["--"] if any(text.startswith("-") for text in shown) else []
    first, last = ([], [*guard, *shown]) if guard else (shown, [])
    return shlex.join(["vxa", "show", *first, *words, "-o", output, *last])


def python_lines(source: str, image: str, passes: Sequence[Provenance], asked: Asked, output: str) -> str:
    """The Python lines that make the same picture of the image file, from these passes."""
    settings, pass_settings = asked.settings(), _pass_settings(passes)
    mode, timesteps = settings.pop("mode"), pass_settings.pop("timesteps", None)
    given = ("model", repr(image), repr(passes[0].prompt))
    looking = f"maps = vxa.visualize({_arguments(*given, **pass_settings)})"
    if timesteps is not None:
        looked = _arguments(*given, "timestep", **pass_settings)
        looking = f"maps = [vxa.visualize({looked}) for timestep in [{timesteps}]]"
    return "\n".join(
        [
            "import vxa",
            "from vxa.render import render",
            "",
            f"model = vxa.load({source!r})",
            looking,
            f"picture = render({_arguments('maps', repr(image), repr(mode), **settings)})",
            f"picture.save({output!r})",
        ]
    )


def _pass_settings(passes: Sequence[Provenance]) -> dict[str, Any]:
    """How the passes were made, where not by default."""
    settings = {name: getattr(passes[0], name) for name in _PASS_DEFAULTS}
    changed = {name: value for name, value in settings.items() if value != _PASS_DEFAULTS[name]}
    if len(passes) == 1:
        return changed
    changed.pop("timestep", None)
    return {"timesteps": ", ".join(str(made.timestep) for made in passes), **changed}


def _arguments(*values: str, **named: Any) -> str:
    return ", ".join([*values, *(f"{name}={value!r}" for name, value in named.items())])
