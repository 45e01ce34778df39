"""See which pixels a Stable Diffusion model ties to each word of a prompt.

    import vxa

    maps = vxa.visualize(vxa.load("papercut"), "examples/figure.png", "hat, neck")
    maps.heat_map("hat").upsampled(256, 256)       # float32 [256, 256]

Importing this loads torch, numpy and Pillow; a model's own libraries are loaded with the model.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vxa.attention.sites import Site
from vxa.errors import (
    HeadError,
    ImageError,
    MapsFileError,
    ModelError,
    PromptError,
    RecordingError,
    SettingError,
    SiteError,
    TokenIndexError,
    VxaError,
    WordError,
)
from vxa.maps.attention_maps import AttentionMaps, Provenance
from vxa.maps.heat_map import HeatMap
from vxa.models import load
from vxa.tokens import Token, Word
from vxa.tracing import Trace, trace
from vxa.tracing.attribute import attribute
from vxa.tracing.visualize import visualize
from vxa.version import __version__

if TYPE_CHECKING:
    from vxa import papercut
    from vxa.io.maps_file import read_maps, write_maps

__all__ = [
    "AttentionMaps",
    "HeadError",
    "HeatMap",
    "ImageError",
    "MapsFileError",
    "ModelError",
    "PromptError",
    "Provenance",
    "RecordingError",
    "SettingError",
    "Site",
    "SiteError",
    "Token",
    "TokenIndexError",
    "Trace",
    "VxaError",
    "Word",
    "WordError",
    "__version__",
    "attribute",
    "load",
    "papercut",
    "read_maps",
    "trace",
    "visualize",
    "write_maps",
]

_LAZY = {"read_maps": "vxa.io.maps_file", "write_maps": "vxa.io.maps_file"}


def __getattr__(name: str) -> Any:
    if name == "papercut":
        return import_module("vxa.papercut")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'vxa' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
