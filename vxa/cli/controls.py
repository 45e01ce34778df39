"""`vxa controls`: what steers a generation, and the settings of each."""

from __future__ import annotations

import typer

from vxa.cli.console import columns

__all__ = ["controls"]


def controls() -> None:
    """List the controls that steer a generation, with their settings and defaults."""
    from vxa.settings import settings_of
    from vxa.steering import CONTROLS
    from vxa.steering.spec import name_of, values_of

    rows: list[tuple[object, ...]] = []
    for kind in CONTROLS.values():
        rows.append((name_of(kind), "", (kind.__doc__ or "").partition("\n")[0]))
        facts, values = settings_of(kind), values_of(kind)
        for name, fact in facts.items():
            spread = f" {fact.range[:1].upper()}{fact.range[1:]}." if fact.range else ""
            rows.append((f"  {name}", values[name], f"{fact.help}{spread}"))
    typer.echo(columns(("control", "default", "does"), *rows))
