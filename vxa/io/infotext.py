"""Infotexts: the prompt and settings that webuis write into images, and VXA into its pictures.

    a boy wearing a red hat
    Negative prompt: blurry
    Steps: 20, Seed: 5, Size: 512x512, VXA tokens: "3, 5"

    read_infotext("made.png").prompt

The infotext is the text chunk "parameters" of a PNG, and the EXIF UserComment of a JPEG, WebP or AVIF file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from vxa.errors import ImageError
from vxa.io.images import opened_image

__all__ = ["Infotext", "infotext_of", "parse_infotext", "read_infotext"]

_CHUNK = "parameters"
_EXIF_PART, _USER_COMMENT = 0x8769, 0x9286
_NEGATIVE = "Negative prompt:"
_MAX_LENGTH = 50_000  # characters: real prompts are shorter, and a page sends this text back
_MIN_SETTINGS = 3  # settings: a last line with fewer belongs to the prompt

# A name and a value; the value ends at the next comma, or is a JSON string.
_SETTING = re.compile(r'\s*(\w[\w /-]{0,60}):\s*("(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)')


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


def read_infotext(path: str | Path) -> Infotext | None:
    """Read the infotext of an image file; None if it has none or cannot be read."""
    try:
        with opened_image(path, "the image") as image:
            return parse_infotext(infotext_of(image))
    except ImageError:
        return None


def infotext_of(image: Image.Image) -> str:
    """Return the infotext of an opened image as text; blank if it has none."""
    text = image.info.get(_CHUNK)
    return text if isinstance(text, str) else _comment(image)


def parse_infotext(text: str | None) -> Infotext | None:
    """Parse an infotext; None if the text is something else, such as a camera's comment."""
    if not text or len(text) > _MAX_LENGTH:
        return None
    *lines, last = text.strip().split("\n")
    settings = {name: _unquote(value.strip()) for name, value in _SETTING.findall(last)}
    if len(settings) < _MIN_SETTINGS:
        return None
    negative = next((number for number, line in enumerate(lines) if line.startswith(_NEGATIVE)), len(lines))
    return Infotext("\n".join(lines[:negative]).strip(), settings)


def _comment(image: Image.Image) -> str:
    """Return the EXIF UserComment, whose first eight bytes name its encoding."""
    try:
        comment = image.getexif().get_ifd(_EXIF_PART).get(_USER_COMMENT)
    except Exception:  # Pillow raises many kinds on damaged EXIF, though the image itself is sound
        return ""
    if not isinstance(comment, bytes):
        return comment if isinstance(comment, str) else ""
    encoding, rest = comment[:8], comment[8:]
    if encoding == b"UNICODE\0":
        little = rest[1::2].count(0) > rest[::2].count(0)  # ASCII text has a 0 in every pair of bytes
        return rest.decode("utf-16-le" if little else "utf-16-be", "replace")
    return (rest if encoding in (b"ASCII\0\0\0", bytes(8)) else comment).decode("utf-8", "replace")


def _quote(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search(r'[,:\n"]', value) else value


def _unquote(value: str) -> str:
    if not (len(value) > 1 and value.startswith('"') and value.endswith('"')):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value
