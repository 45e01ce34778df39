"""The webui's options and command-line flags that VXA reads."""

from __future__ import annotations

from typing import Any

from modules import shared

from vxa.webui import strings

__all__ = ["add_option", "api_users", "has_api", "option"]


def has_api() -> bool:
    """Return whether the webui was started with its HTTP API."""
    return bool(shared.cmd_opts.api or shared.cmd_opts.nowebui)


def api_users() -> dict[str, str] | None:
    """Return the passwords of --api-auth by user name; None if no password is needed."""
    users = shared.cmd_opts.api_auth
    return dict(one.split(":", 1) for one in users.split(",")) if users else None


def add_option(
    name: str, default: Any, label: str, kind: type[Any], arguments: dict[str, Any],
    restrict_api: bool = False,
) -> None:  # fmt: skip
    """Add an option to VXA's page of the settings; `restrict_api` keeps the webui's API from setting it."""
    section = ("vxa", strings.TAB)
    shared.opts.add_option(
        name, shared.OptionInfo(default, label, kind, arguments, section=section, restrict_api=restrict_api)
    )


def option(name: str, default: Any) -> Any:
    """Return an option's value; the default before the webui has built its settings."""
    return getattr(shared.opts, name, default)
