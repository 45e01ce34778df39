"""The package daam as it is on PyPI, to hold `vxa.daam` against.

It is installed by itself into a folder of the cache, since its own requirements would move ours. spacy and
matplotlib, which it imports for its syntax study and its plots, are stood in for while it is imported.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REQUIREMENT = "daam==0.2.0"
STAND_INS: dict[str, dict[str, Any]] = {
    "spacy": {},
    "spacy.tokens": {"Token": object},
    "matplotlib": {},
    "matplotlib.pyplot": {"Axes": object},
}


def load() -> ModuleType:
    """daam; skips the test where it cannot be had."""
    folder = _installed()
    import diffusers  # noqa: F401  before the stand-ins, which it would look for

    with _stood_in(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sys.path.insert(0, str(folder))
        try:
            return importlib.import_module("daam")
        finally:
            sys.path.remove(str(folder))


def _installed() -> Path:
    base = os.environ.get("VXA_TEST_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    kept = Path(base) / "vxa-tests"
    folder = kept / REQUIREMENT.replace("==", "-")
    if folder.is_dir():
        return folder
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept) as temporary:
        target = Path(temporary) / "target"
        options = ["-q", "--no-deps", "--retries=1", "--target", str(target)]
        command = [sys.executable, "-m", "pip", "install", *options, REQUIREMENT]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            _, _, reason = done.stderr.strip().rpartition("\n")
            pytest.skip(f"pip cannot install {REQUIREMENT}: {reason}")
        with contextlib.suppress(OSError):  # another run was first
            target.rename(folder)
    return folder


@contextlib.contextmanager
def _stood_in() -> Iterator[None]:
    """The stand-ins in sys.modules for this block alone."""
    before = {name: sys.modules.get(name) for name in STAND_INS}
    for name, content in STAND_INS.items():
        module = ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        module.__path__ = []
        vars(module).update(content)
        sys.modules[name] = module
    for name in STAND_INS:
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, sys.modules[name])
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
