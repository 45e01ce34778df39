"""The text that webuis write into the images they make, and VXA into its pictures: a prompt and settings.

    a boy wearing a red hat
    Negative prompt: blurry
    Steps: 20, Seed: 5, Size: 512x512, VXA tokens: "3, 5"

    read_infotext("made.png").prompt

It is the text chunk "parameters" of a PNG, and the user's comment in the EXIF of a JPEG, WebP or AVIF file.
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
_MOST = 50_000  # characters: people write shorter prompts, and a page sends this back
_FEWEST = 3  # settings: a last line with fewer of them is the prompt's own

# A name, and a value: up to the next comma, or in quotes as JSON writes them.
_SETTING = re.compile(r'\s*(\w[\w /-]{0,60}):\s*("(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)')


@dataclass(frozen=True)
class Infotext:
    """How an image was made.

    Attributes:
        prompt: without the negative one.
        settings: by name, as they were written.
    """

    prompt: str
    settings: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """The text that is written into an image."""
        line = ", ".join(f"{name}: {_quoted(value)}" for name, value in self.settings.items())
        return f"{self.prompt}\n{line}"


def read_infotext(path: str | Path) -> Infotext | None:
    """How the image in the file was made; None where it does not say, or cannot be read."""
    try:
        with opened_image(path, "the image") as image:
            return parse_infotext(infotext_of(image))
    except ImageError:
        return None


def infotext_of(image: Image.Image) -> str:
    """The text in an opened image; blank where there is none."""
    text = image.info.get(_CHUNK)
    return text if isinstance(text, str) else _comment(image)


def parse_infotext(text: str | None) -> Infotext | None:
    """What the text says; None where it is not of this kind, as a camera's comment is not."""
    if not text or len(text) > _MOST:
        return None
    *lines, last = text.strip().split("\n")
    settings = {name: _unquoted(value.strip()) for name, value in _SETTING.findall(last)}
    if len(settings) < _FEWEST:
        return None
    negative = next((number for number, line in enumerate(lines) if line.startswith(_NEGATIVE)), len(lines))
    return Infotext("\n".join(lines[:negative]).strip(), settings)


def _comment(image: Image.Image) -> str:
    """The user's comment of the EXIF, whose first eight bytes say how it is written."""
    try:
        comment = image.getexif().get_ifd(_EXIF_PART).get(_USER_COMMENT)
    except Exception:  # Pillow raises much on broken EXIF, and none of it is about the image
        return ""
    if not isinstance(comment, bytes):
        return comment if isinstance(comment, str) else ""
    kind, rest = comment[:8], comment[8:]
    if kind == b"UNICODE\0":
        little = rest[1::2].count(0) > rest[::2].count(0)  # the settings are ASCII: half of their bytes are 0
        return rest.decode("utf-16-le" if little else "utf-16-be", "replace")
    return (rest if kind in (b"ASCII\0\0\0", bytes(8)) else comment).decode("utf-8", "replace")


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search(r'[,:\n"]', value) else value


def _unquoted(value: str) -> str:
    if not (len(value) > 1 and value.startswith('"') and value.endswith('"')):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value
