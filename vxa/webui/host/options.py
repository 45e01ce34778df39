"""The webui's options and command line, as far as VXA asks for them."""

from __future__ import annotations

from typing import Any

from modules import shared

from vxa.webui import strings

__all__ = ["add_option", "api_users", "has_api", "option"]


def has_api() -> bool:
    """Whether the webui was started with its HTTP API."""
    return bool(shared.cmd_opts.api or shared.cmd_opts.nowebui)


def api_users() -> dict[str, str] | None:
    """The names and passwords of --api-auth; None where everybody may ask."""
    given = shared.cmd_opts.api_auth
    return dict(one.split(":", 1) for one in given.split(",")) if given else None


def add_option(
    name: str, default: Any, label: str, kind: type[Any], arguments: dict[str, Any], by_hand: bool = False
) -> None:
    """Add an option to VXA's page of the settings; `by_hand` is one that the webui's API cannot set."""
    section = ("vxa", strings.TAB)
    shared.opts.add_option(
        name, shared.OptionInfo(default, label, kind, arguments, section=section, restrict_api=by_hand)
    )


def option(name: str, default: Any) -> Any:
    """What an option is set to; the default before the webui has asked for options."""
    return getattr(shared.opts, name, default)
