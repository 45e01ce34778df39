"""Prompts and settings that programs write into their images, and VXA into its pictures.

    read_infotext("made.png").prompt

Each program's reader is in `vxa.io.metadata`. What VXA writes is the webui's infotext.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vxa.errors import ImageError
from vxa.io.images import opened_image
from vxa.io.metadata import comfyui, fooocus, invokeai, novelai, swarmui, webui
from vxa.io.metadata.chunks import PARAMETERS, TextChunks, text_chunks
from vxa.io.metadata.webui import MAX_LENGTH, Infotext

__all__ = ["Infotext", "parse_infotext", "read_infotext"]

# Tried in turn. Several write "parameters"; ComfyUI's savers often add the webui's infotext to their graph.
_READERS: tuple[Callable[[TextChunks], Infotext | None], ...] = (
    webui.read,
    swarmui.read,
    fooocus.read,
    invokeai.read,
    novelai.read,
    comfyui.read,
)
# Chunks that a pasted text may be of; the others hold prompts as people type them.
_PASTED = (PARAMETERS, "prompt", "workflow", "invokeai_metadata", "sd-metadata")
# Exceptions raised by values of unexpected types in a text that anybody may have written.
_MALFORMED = (LookupError, TypeError, ValueError, AttributeError, RecursionError)


def read_infotext(path: str | Path) -> Infotext | None:
    """Read the prompt and settings of an image file; None if it has none, or cannot be read."""
    try:
        with opened_image(path, "the image") as image:
            return _first(text_chunks(image))
    except ImageError:
        return None


def parse_infotext(text: str | None) -> Infotext | None:
    """Parse the text that a program wrote; None if it is something else, such as a camera's comment."""
    return _first(TextChunks(dict.fromkeys(_PASTED, text))) if text else None


def _first(chunks: TextChunks) -> Infotext | None:
    """Return what the first reader finds that finds something."""
    for read in _READERS:
        try:
            found = read(chunks)
        except _MALFORMED:
            continue
        if found is not None:
            return _shown(found) if len(found.prompt) <= MAX_LENGTH else None
    return None


def _shown(found: Infotext) -> Infotext:
    """Return it in characters that a page can send: JSON may hold halves of them."""
    texts = [
        text.encode("utf-8", "replace").decode("utf-8") for text in (found.prompt, *found.settings.values())
    ]
    return Infotext(texts[0].strip(), dict(zip(found.settings, texts[1:], strict=True)))
