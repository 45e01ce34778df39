"""Sides of a comparison: a generation untraced, traced by VXA, and traced by its peers from PyPI."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from support import daam_code
from support.packages import importable

import vxa

__all__ = ["PEERS", "SIDES"]

Side = Callable[[Any, Callable[[], object]], object]
"""Runs a generation of a pipeline under a tool, and returns the tool's result: every word's maps."""


def _untraced(pipeline: Any, generate: Callable[[], object]) -> object:
    return generate()


def _vxa(pipeline: Any, generate: Callable[[], object]) -> object:
    with vxa.trace(pipeline) as trace:
        generate()
    return trace.maps


def _daam(pipeline: Any, generate: Callable[[], object]) -> object:
    with daam_code.load().trace(pipeline) as trace:
        generate()
        return trace.compute_global_heat_map()


def _diffusers_maps(steps: str) -> Side:
    def traced(pipeline: Any, generate: Callable[[], object]) -> object:
        with importable("attention-map-diffusers==1.0.0"):
            package = importlib.import_module("attention_map_diffusers")
        # Its default is to refuse to keep more than 8 GB.
        with package.AttentionCapture(pipeline, timesteps=steps, max_capture_bytes=2**40) as capture:
            generate()
        return capture.compute()

    return traced


SIDES: dict[str, Side] = {
    "untraced": _untraced,
    "vxa": _vxa,
    "daam 0.2.0": _daam,
    "attention-map-diffusers 1.0.0": _diffusers_maps("last"),
    "attention-map-diffusers 1.0.0, every step": _diffusers_maps("all"),
}
PEERS = tuple(SIDES)[2:]
