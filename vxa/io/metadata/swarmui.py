"""SwarmUI: the chunk "parameters", or the UserComment, holds an object of objects."""

from __future__ import annotations

from vxa.io.metadata.chunks import PARAMETERS, TextChunks
from vxa.io.metadata.webui import Infotext, named_settings

__all__ = ["read"]

_NAMES = {"Steps": "steps", "Sampler": "sampler", "CFG scale": "cfgscale", "Seed": "seed", "Model": "model"}


def read(chunks: TextChunks) -> Infotext | None:
    """Read what SwarmUI wrote, with wildcards already replaced; None if it did not write the image."""
    values = chunks.json(PARAMETERS).get("sui_image_params")
    if not isinstance(values, dict) or not isinstance(values.get("prompt"), str):
        return None
    return Infotext(values["prompt"], named_settings(values, _NAMES))
