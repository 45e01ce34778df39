"""Fooocus in its own scheme: the chunk "parameters", or the UserComment, holds an object.

Its other scheme is the webui's infotext.
"""

from __future__ import annotations

from vxa.io.metadata.chunks import PARAMETERS, TextChunks
from vxa.io.metadata.webui import Infotext, named_settings

__all__ = ["read"]

_NAMES = {
    "Steps": "steps",
    "Sampler": "sampler",
    "CFG scale": "guidance_scale",
    "Seed": "seed",
    "Model": "base_model",
}
_MARKS = ("metadata_scheme", "full_prompt")


def read(chunks: TextChunks) -> Infotext | None:
    """Read what Fooocus wrote: the prompt that was typed, without its styles; None if it wrote nothing."""
    values = chunks.json(PARAMETERS)
    prompt = values.get("prompt")
    if not isinstance(prompt, str) or not any(mark in values for mark in _MARKS):
        return None
    return Infotext(prompt, named_settings(values, _NAMES))
