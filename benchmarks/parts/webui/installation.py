"""Webuis that are measured: with the extension, and without it."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from support.running import PROJECT, Webui, data_folder, models_folder, started

__all__ = ["Installation"]

_METER = Path(__file__).with_name("meter")


@dataclass
class Installation:
    """An installed webui, and the processes started from it, which end with the `with` block.

    Attributes:
        folder, python: the webui's folder and its Python.
        original: a checkout of the original extension; None if it is not measured.
        scale: share of the usual number of rounds.
        data: folder for the webuis' data.
    """

    folder: Path
    python: Path
    original: Path | None
    scale: float
    data: Path
    _running: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Installation:
        return self

    def __exit__(self, *error: object) -> None:
        self._running.close()

    def rounds(self, usual: int) -> int:
        """Return the share of the usual number of rounds, at least one."""
        return max(1, round(self.scale * usual))

    @cached_property
    def measured(self) -> Webui:
        """The webui with the extension, the meter, and the original extension if it is measured."""
        data = self._data_folder("with")
        (data / "extensions" / "meter").symlink_to(_METER, target_is_directory=True)
        if self.original is not None:
            shutil.copytree(self.original / "scripts", data / "extensions" / "original" / "scripts")
        return self._start(data)

    @cached_property
    def idle(self) -> Webui:
        """The webui with the extension alone."""
        return self._start(self._data_folder("idle"))

    @cached_property
    def without(self) -> Webui:
        """The webui without the extension."""
        data = self._data_folder("without")
        (data / "extensions" / "vxa").unlink()
        return self._start(data)

    def _data_folder(self, name: str) -> Path:
        folder = self.data / name
        folder.mkdir()
        return data_folder(folder)

    def _start(self, data: Path) -> Webui:
        flags = ["--ckpt", str(models_folder(data) / "papercut.safetensors")]
        # Papercut's YAML names a module of VXA, so a webui without the extension must find it too.
        return self._running.enter_context(
            started(self.folder, self.python, data, flags, python_path=str(PROJECT))
        )
