"""Write the table of settings into docs/command-line.md: `python docs/make_settings.py`."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from vxa.generation.settings import GenerationSettings
from vxa.maps.settings import MaskSettings, Selection
from vxa.models.settings import LoadSettings
from vxa.pictures.view import View
from vxa.settings import Settings, settings_of
from vxa.tracing.settings import InversionSettings, PassSettings

PAGE = Path(__file__).parent / "command-line.md"
KINDS: dict[str, type[Settings]] = {
    "Which map": Selection,
    "How it is shown": View,
    "How masks are cut out": MaskSettings,
    "How the pass is made": PassSettings,
    "How an image is inverted": InversionSettings,
    "How a picture is generated": GenerationSettings,
    "Where the model runs": LoadSettings,
}
_MARKS = re.compile(r"(<!-- settings -->\n).*?(<!-- /settings -->)", re.DOTALL)


def table() -> str:
    """Return the settings of every class as one Markdown table."""
    lines = ["| setting | default | allowed | what it does |", "| --- | --- | --- | --- |"]
    for heading, kind in KINDS.items():
        lines.append(f"| **{heading}** | | | |")
        defaults = {one.name: one.default for one in fields(kind)}  # type: ignore[arg-type]
        for name, facts in settings_of(kind).items():
            flags = ", ".join(f"`{flag}`" for flag in facts.flags or (f"--{name.replace('_', '-')}",))
            default = "" if str(defaults[name]) in ("None", "", "False") else f"`{defaults[name]}`"
            lines.append(f"| {flags} | {default} | {facts.range} | {facts.help} |")
    return "\n".join(lines)


def with_table(page: str) -> str:
    """Return the page with the table between its marks."""
    return _MARKS.sub(lambda found: f"{found[1]}\n{table()}\n\n{found[2]}", page)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
