"""See which pixels a Stable Diffusion model ties to each word of a prompt.

    import vxa

    maps = vxa.visualize("papercut", "examples/figure.png", "hat, neck")
    maps.heat_map("hat").upsampled(256, 256)       # float32 [256, 256]

Importing this loads nothing heavy; the first name that is used loads torch, and a model its own libraries.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vxa.version import __version__

if TYPE_CHECKING:
    from vxa import papercut, steering
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
        SteeringError,
        TokenIndexError,
        TrajectoryFileError,
        VxaError,
        WordError,
    )
    from vxa.generation.generate import GenerationResult, generate
    from vxa.io.maps_file import read_maps, write_maps
    from vxa.io.masks import write_masks
    from vxa.maps.attention_maps import AttentionMaps, Provenance
    from vxa.maps.heat_map import HeatMap, SignedMap
    from vxa.models import load
    from vxa.models.protocol import Model
    from vxa.pictures.animation import write_animation
    from vxa.pictures.compare import compare
    from vxa.pictures.render import render
    from vxa.pictures.view import View
    from vxa.steering.invert import invert
    from vxa.steering.steer import steer
    from vxa.tokens import Token, Word
    from vxa.tracing.attribute import attribute
    from vxa.tracing.pipeline import Trace, trace
    from vxa.tracing.visualize import visualize

_PLACES = {
    "vxa.attention.sites": ["Site"],
    "vxa.errors": [
        "HeadError", "ImageError", "MapsFileError", "ModelError", "PromptError", "RecordingError",
        "SettingError", "SiteError", "SteeringError", "TokenIndexError", "TrajectoryFileError", "VxaError",
        "WordError",
    ],
    "vxa.generation.generate": ["GenerationResult", "generate"],
    "vxa.io.maps_file": ["read_maps", "write_maps"],
    "vxa.io.masks": ["write_masks"],
    "vxa.maps.attention_maps": ["AttentionMaps", "Provenance"],
    "vxa.maps.heat_map": ["HeatMap", "SignedMap"],
    "vxa.models": ["load"],
    "vxa.models.protocol": ["Model"],
    "vxa.pictures.animation": ["write_animation"],
    "vxa.pictures.compare": ["compare"],
    "vxa.pictures.render": ["render"],
    "vxa.pictures.view": ["View"],
    "vxa.steering.invert": ["invert"],
    "vxa.steering.steer": ["steer"],
    "vxa.tokens": ["Token", "Word"],
    "vxa.tracing.attribute": ["attribute"],
    "vxa.tracing.pipeline": ["Trace", "trace"],
    "vxa.tracing.visualize": ["visualize"],
}  # fmt: skip
_PLACE_OF = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [
    "AttentionMaps",
    "GenerationResult",
    "HeadError",
    "HeatMap",
    "ImageError",
    "MapsFileError",
    "Model",
    "ModelError",
    "PromptError",
    "Provenance",
    "RecordingError",
    "SettingError",
    "SignedMap",
    "Site",
    "SiteError",
    "SteeringError",
    "Token",
    "TokenIndexError",
    "Trace",
    "TrajectoryFileError",
    "View",
    "VxaError",
    "Word",
    "WordError",
    "__version__",
    "attribute",
    "compare",
    "generate",
    "invert",
    "load",
    "papercut",
    "read_maps",
    "render",
    "steer",
    "steering",
    "trace",
    "visualize",
    "write_animation",
    "write_maps",
    "write_masks",
]


def __getattr__(name: str) -> Any:
    if name in ("papercut", "steering"):
        return import_module(f"vxa.{name}")
    if name not in _PLACE_OF:
        raise AttributeError(f"module 'vxa' has no attribute {name!r}")
    value = getattr(import_module(_PLACE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
