"""The package daam from PyPI, which `vxa.daam` is compared with."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from support.packages import importable

REQUIREMENT = "daam==0.2.0"
STAND_INS: dict[str, dict[str, Any]] = {  # for its syntax study and its plots
    "spacy": {},
    "spacy.tokens": {"Token": object},
    "matplotlib": {},
    "matplotlib.pyplot": {"Axes": object},
}


def load() -> ModuleType:
    """Import daam. Raises packages.CannotInstall if pip cannot install it."""
    import diffusers  # noqa: F401  before the stand-ins, since it tests for the real packages

    with importable(REQUIREMENT, STAND_INS):
        return importlib.import_module("daam")
