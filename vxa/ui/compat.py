"""The seam between versions of gradio: 3.41 (AUTOMATIC1111), 4.40 (Forge) and 6 (the app of its own).

    component(gr.Image, label="Image", format="png")     # 3.41 knows no format, and is not told
    listen(button.click, run, [page], [picture], js="…", trigger_mode="always_last")

Every difference is met here: what a component or an event does not know is left out, and so nothing that a
page could not do without may be given through this seam.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

import gradio as gr

from vxa.settings import setting_of

__all__ = ["MAJOR", "component", "facts", "listen", "page_and_launch", "plain", "served_folder"]

MAJOR = int(gr.__version__.partition(".")[0])
_NUMBERS = itertools.count()


def component(kind: Callable[..., Any], **settings: Any) -> Any:
    """The component, given the settings that it knows."""
    return kind(**_known(kind, settings))


def facts(kind: type[Any], name: str, info: str | None = "") -> dict[str, Any]:
    """Return a component's label, help, choices and range, from the schema of settings.

    `info` stands in place of the setting's help; None leaves the line out.
    """
    found = setting_of(kind, name)
    # A number box must not refuse what the page would tell in a sentence: only bounds of sliders are given.
    bounds = (
        {}
        if found.high is not None and found.high >= 2**31
        else {"minimum": found.low, "maximum": found.high}
    )
    named = {"choices": list(found.choices), **bounds, "step": found.step}
    shown = {"label": found.label, "info": plain(found.help if info == "" else info), **named}
    return {key: value for key, value in shown.items() if value not in (None, [])}


def plain(info: str | None) -> str | None:
    """Return the help of a component with its asterisks kept.

    From 5 on gradio slants what stands between two asterisks of one line; a carriage return ends the line,
    and is shown as a space.
    """
    return info.replace(" ", "\r") if info and MAJOR >= 5 and info.count("*") > 1 else info


def listen(event: Any, handler: Callable[..., Any] | None, inputs: Any, outputs: Any, **settings: Any) -> Any:
    """What the event returns, its handler attached as no public endpoint."""
    known = _parameters(event)
    if settings.get("trigger_mode") == "always_last" and "trigger_mode" not in known:
        return _listen_again(event, handler, inputs, outputs, settings)
    if "js" in settings and "js" not in known:
        settings["_js"] = settings.pop("js")
    hidden = {"api_visibility": "private"} if "api_visibility" in known else {"api_name": False}
    return event(handler, inputs, outputs, **_known(event, {**settings, **hidden}))


def _listen_again(
    event: Any, handler: Callable[..., Any] | None, inputs: Any, outputs: Any, settings: dict[str, Any]
) -> Any:
    """For gradio 3, which drops what happens while the same event's answer is on the way.

    Here an event presses a hidden button, which is what the handler listens to; an event that comes while the
    button waits for its answer has it pressed once more after that (javascript/vxa.js).
    """
    name = f"vxa_again_{next(_NUMBERS)}"
    button = component(gr.Button, value="", visible=False, elem_id=name)
    settings = {key: value for key, value in settings.items() if key != "trigger_mode"}
    listen(event, None, None, None, js=f"() => vxaAsk('{name}')")
    asked = listen(button.click, handler, inputs, outputs, **settings)
    listen(asked.then, None, None, None, js=f"() => vxaAnswered('{name}')")
    return asked


def page_and_launch(**settings: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of the whole page, for Blocks and for launch: gradio 6 moved some to the latter."""
    blocks, launch = _parameters(gr.Blocks), _parameters(gr.Blocks.launch)
    first = {name: value for name, value in settings.items() if name in blocks and name not in launch}
    return first, {name: value for name, value in settings.items() if name in launch}


def served_folder(otherwise: Path) -> Path:
    """Where gradio serves files from as they are; of files elsewhere it makes copies, which stay an hour."""
    known = getattr(gr.utils, "get_upload_folder", None)
    return Path(known()) if known else otherwise


def _known(called: Callable[..., Any], settings: dict[str, Any]) -> dict[str, Any]:
    known = _parameters(called)
    return {name: value for name, value in settings.items() if name in known}


def _parameters(called: Callable[..., Any]) -> set[str]:
    """The names that a call takes.

    A page asks some two hundred times, and looking is slow: what is not made anew is looked at once.
    """
    written = called if isinstance(called, (type, FunctionType)) else type(called).__call__
    return _seen(written) if isinstance(written, (type, FunctionType)) else _names(called)


def _names(called: Callable[..., Any]) -> set[str]:
    """The names in the signature; a class of gradio 3 hands on to its bases what it does not name itself."""
    names: set[str] = set()
    for one in called.__mro__ if isinstance(called, type) else (called,):
        taken = inspect.signature(one).parameters.values()
        names |= {parameter.name for parameter in taken if parameter.kind is not parameter.VAR_KEYWORD}
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in taken):
            break
    return names


_seen = cache(_names)
