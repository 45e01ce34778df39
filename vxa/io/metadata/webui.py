"""The infotext: the format of AUTOMATIC1111's webui, which Forge and many other programs write too.

    a boy wearing a red hat
    Negative prompt: blurry
    Steps: 20, Seed: 5, Size: 512x512, Hires prompt: "a boy, smiling"
    Template: a {boy|girl} wearing a red hat

Settings stand in one line. Extensions add lines after it: dynamic prompts' begins with "Template:" or
"Negative Template:", and may go on for more lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vxa.io.metadata.chunks import PARAMETERS, TextChunks

__all__ = ["MAX_LENGTH", "Infotext", "named_settings", "read"]

MAX_LENGTH = 50_000
"""Limit on an infotext's characters: real prompts are shorter, and a page sends the text back."""

_NEGATIVE = "Negative prompt:"
_ADDED = ("Template:", "Negative Template:")
_MIN_SETTINGS = 3  # a last line with fewer belongs to the prompt

# A name and a value; the value ends at the next comma, or is a JSON string.
_SETTING = re.compile(r'(\w[\w /-]{0,60}):\s*("(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)')


@dataclass(frozen=True)
class Infotext:
    """Prompt and settings of an image.

    Attributes:
        prompt: the prompt, without the negative prompt.
        settings: the settings by name, as strings.
    """

    prompt: str
    settings: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the text to write into an image."""
        line = ", ".join(f"{name}: {_quote(value)}" for name, value in self.settings.items())
        return f"{self.prompt}\n{line}"


def read(chunks: TextChunks) -> Infotext | None:
    """Read an infotext; None if there is none."""
    text = chunks.texts.get(PARAMETERS, "")
    if not text or len(text) > MAX_LENGTH or chunks.json(PARAMETERS):
        return None
    lines = text.strip().replace("\r\n", "\n").split("\n")
    place, settings = _find_settings(lines)
    if not settings:
        return None
    negative = next((number for number in range(place) if lines[number].startswith(_NEGATIVE)), place)
    return Infotext("\n".join(lines[:negative]).strip(), settings)


def named_settings(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    """Return those of another program's values that are texts or numbers, by the webui's names for them."""
    found = {name: values.get(key) for name, key in names.items()}
    return {name: str(value) for name, value in found.items() if isinstance(value, (str, int, float))}


def _find_settings(lines: list[str]) -> tuple[int, dict[str, str]]:
    """Return the place of the line of settings, and the settings; none if no line is.

    It is the line before what an extension added, else the last one that begins with the steps, else the
    last line of all.
    """
    own = [(number, line) for number, line in enumerate(lines) if not line.startswith(_ADDED)]
    parsed = {number: _parse_settings(line) for number, line in own}
    found = [number for number, settings in parsed.items() if len(settings) >= _MIN_SETTINGS]
    before = [
        number for number in found if lines[number + 1 : number + 2] and lines[number + 1].startswith(_ADDED)
    ]
    steps = [number for number in found if lines[number].startswith("Steps:")]
    last = [number for number in found if number == len(lines) - 1]
    place = next(iter((*before, *steps[::-1], *last)), len(lines))
    return place, parsed.get(place, {})


def _parse_settings(line: str) -> dict[str, str]:
    return {name: _unquote(value.strip()) for name, value in _SETTING.findall(line)}


def _quote(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search(r'[,:\n"]', value) else value


def _unquote(value: str) -> str:
    if not (len(value) > 1 and value.startswith('"') and value.endswith('"')):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value
