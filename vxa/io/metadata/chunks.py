"""Texts in an image file, by the names that programs give them.

The names are those of PNG's text chunks. JPEG, WebP and AVIF files have EXIF instead: its UserComment counts
as "parameters", and an entry "prompt:{…}" or "workflow:{…}" as the chunk of that name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from PIL import Image

__all__ = ["PARAMETERS", "TextChunks", "text_chunks"]

PARAMETERS = "parameters"
"""The chunk that most programs write, in formats of their own."""

_MAX_LENGTH = 4_000_000  # characters of a text: graphs of ComfyUI are of some 100,000
_EXIF_PART, _USER_COMMENT = 0x8769, 0x9286
_NAMED = ("prompt", "workflow")


class TextChunks:
    """Texts by name, each parsed as JSON at most once.

    Attributes:
        texts: the texts.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = {name: text for name, text in texts.items() if len(text) <= _MAX_LENGTH}
        self._parsed: dict[str, dict[str, Any]] = {}

    def json(self, name: str) -> dict[str, Any]:
        """Return the JSON object in a chunk; an empty one if there is none, or something else."""
        text = self.texts.get(name, "")
        if text not in self._parsed:
            self._parsed[text] = _json_object(text)
        return self._parsed[text]


def _json_object(text: str) -> dict[str, Any]:
    if not text.lstrip().startswith("{"):
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # truncated; or nested deeper than any program nests
        return {}
    return found if isinstance(found, dict) else {}


def text_chunks(image: Image.Image) -> TextChunks:
    """Return the texts of an opened image; the first one of a name counts."""
    texts: dict[str, str] = {}
    for name, text in (*_info_texts(image), *_exif_texts(image), *_comments(image)):
        if text:
            texts.setdefault(name, text)
    return TextChunks(texts)


def _info_texts(image: Image.Image) -> Iterator[tuple[str, str]]:
    return ((str(name), text) for name, text in image.info.items() if isinstance(text, str))


def _exif_texts(image: Image.Image) -> Iterator[tuple[str, str]]:
    try:
        exif = image.getexif()
        tags = {**exif, **{_USER_COMMENT: exif.get(_USER_COMMENT), **exif.get_ifd(_EXIF_PART)}}
    except Exception:  # Pillow raises many kinds on damaged EXIF, though the image itself is sound
        return
    yield PARAMETERS, _decoded(tags.pop(_USER_COMMENT, None))
    for value in tags.values():
        text = _decoded(value)
        name, _, rest = text.partition(":")
        if name in _NAMED:  # ComfyUI, in WebP
            yield name, rest
        elif text.startswith("{"):  # SwarmUI, once
            yield PARAMETERS, text


def _comments(image: Image.Image) -> Iterator[tuple[str, str]]:
    """Return the comment of a GIF or JPEG, where the webui writes GIFs' infotexts."""
    comment = image.info.get("comment")
    yield PARAMETERS, comment.decode("utf-8", "replace") if isinstance(comment, bytes) else ""


def _decoded(value: object) -> str:
    """Return an EXIF text; a UserComment's first eight bytes name its encoding."""
    if not isinstance(value, bytes):
        return value if isinstance(value, str) else ""
    encoding, rest = value[:8], value[8:]
    if encoding == b"UNICODE\0":
        return _decoded_wide(rest).rstrip("\0")
    plain = rest if encoding in (b"ASCII\0\0\0", bytes(8)) else value
    return plain.decode("utf-8", "replace").rstrip("\0")


def _decoded_wide(rest: bytes) -> str:
    """Decode UTF-16 of either order, with or without a mark; some programs write UTF-8 in its place."""
    if rest[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return rest.decode("utf-16", "replace")
    high, low = rest[::2].count(0), rest[1::2].count(0)  # ASCII letters have a 0 in every pair of bytes
    if not high and not low:
        return rest.decode("utf-8", "replace")
    return rest.decode("utf-16-le" if low > high else "utf-16-be", "replace")
