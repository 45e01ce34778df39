"""Rules of Windows' file system, on any other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["move_as_windows"]


def move_as_windows(monkeypatch: pytest.MonkeyPatch, *in_use: Path, freed: bool = False) -> None:
    """Refuse to move files that are in use, to replace them, and to replace folders.

    Where they are `freed`, the program that has them open closes them during the first pause.
    """
    replace, still_open = os.replace, set(in_use)

    def move(source: str | Path, target: str | Path) -> None:
        if Path(target).is_dir() or still_open & {Path(source), Path(target)}:
            raise PermissionError(13, "Access is denied", str(source))
        replace(source, target)

    monkeypatch.setattr(os, "replace", move)
    monkeypatch.setattr("vxa.io.atomic.time.sleep", lambda seconds: still_open.clear() if freed else None)
