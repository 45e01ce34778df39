"""Packages from PyPI that ours is compared with.

Each is installed without its dependencies into a folder of the cache, since they would change the versions of
ours. Stand-ins replace the packages that it imports and that are not needed here.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["CannotInstall", "importable"]

StandIns = Mapping[str, Mapping[str, Any]]


class CannotInstall(Exception):
    """Failure to install a package; its message is the reason."""


@contextlib.contextmanager
def importable(requirement: str, stand_ins: StandIns | None = None) -> Iterator[None]:
    """Make the package and the stand-ins importable in this block. Raises CannotInstall.

    Args:
        requirement: the package's name and version, as "name==1.0".
        stand_ins: the contents of modules by name. Packages that test for the real modules, such as
            diffusers, must have been imported before.
    """
    folder = str(_installed(requirement))
    with _stood_in(stand_ins or {}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from compiling sources older than this Python
        sys.path.insert(0, folder)
        try:
            yield
        finally:
            sys.path.remove(folder)


def _installed(requirement: str) -> Path:
    base = os.environ.get("VXA_TEST_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(base) / "vxa-tests"
    folder = cache / requirement.replace("==", "-")
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        target = Path(temporary) / "target"
        options = ["-q", "--no-deps", "--retries=1", "--target", str(target)]
        command = [sys.executable, "-m", "pip", "install", *options, requirement]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            _, _, reason = done.stderr.strip().rpartition("\n")
            raise CannotInstall(f"pip cannot install {requirement}: {reason}")
        with contextlib.suppress(OSError):  # another run was first
            target.rename(folder)
    return folder


@contextlib.contextmanager
def _stood_in(stand_ins: StandIns) -> Iterator[None]:
    """Put the stand-ins into sys.modules for this block alone."""
    before = {name: sys.modules.get(name) for name in stand_ins}
    for name, content in stand_ins.items():
        sys.modules[name] = _module(name, content)
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


def _module(name: str, content: Mapping[str, Any]) -> ModuleType:
    module = ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    module.__path__ = []
    vars(module).update(content)
    return module
