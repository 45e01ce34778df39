"""The package daam as it is on PyPI, to hold `vxa.daam` against."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from support.packages import importable

REQUIREMENT = "daam==0.2.0"
STAND_INS: dict[str, dict[str, Any]] = {  # of its syntax study and its plots
    "spacy": {},
    "spacy.tokens": {"Token": object},
    "matplotlib": {},
    "matplotlib.pyplot": {"Axes": object},
}


def load() -> ModuleType:
    """daam. Raises packages.CannotInstall where it cannot be had."""
    import diffusers  # noqa: F401  before the stand-ins, which it would look for

    with importable(REQUIREMENT, STAND_INS):
        return importlib.import_module("daam")
