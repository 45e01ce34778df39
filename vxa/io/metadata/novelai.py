"""NovelAI: the chunk "Software" names it, "Comment" holds an object, "Description" the prompt."""

from __future__ import annotations

from vxa.io.metadata.chunks import TextChunks
from vxa.io.metadata.webui import Infotext, named_settings

__all__ = ["read"]

_NAMES = {"Steps": "steps", "Sampler": "sampler", "CFG scale": "scale", "Seed": "seed"}


def read(chunks: TextChunks) -> Infotext | None:
    """Read what NovelAI wrote; None if it did not write the image."""
    values = chunks.json("Comment")
    prompt = values.get("prompt", chunks.texts.get("Description"))
    if chunks.texts.get("Software") != "NovelAI" or not isinstance(prompt, str):
        return None
    return Infotext(prompt, named_settings(values, _NAMES))
