"""The webuis that are measured: one with the extension, and one without where a part asks for it."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from support.running import PROJECT, Webui, data_folder, models_folder, started

__all__ = ["Place"]

_METER = Path(__file__).with_name("meter")


@dataclass
class Place:
    """Where a webui is, and the ones that were started from there, which end with the block.

    Attributes:
        folder, python: the installation.
        original: a checkout of the original extension; None leaves it out.
        scale: share of the usual number of rounds.
        data: a folder for the webuis' data.
    """

    folder: Path
    python: Path
    original: Path | None
    scale: float
    data: Path
    _running: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *error: object) -> None:
        self._running.close()

    def rounds(self, usual: int) -> int:
        """How often something is measured."""
        return max(1, round(self.scale * usual))

    @cached_property
    def measured(self) -> Webui:
        """The one with the extension, the meter, and the original where it is given."""
        data = self._data("with")
        (data / "extensions" / "meter").symlink_to(_METER, target_is_directory=True)
        if self.original is not None:
            shutil.copytree(self.original / "scripts", data / "extensions" / "original" / "scripts")
        return self._started(data)

    @cached_property
    def idle(self) -> Webui:
        """The one with the extension alone."""
        return self._started(self._data("idle"))

    @cached_property
    def without(self) -> Webui:
        """The one without it."""
        data = self._data("without")
        (data / "extensions" / "vxa").unlink()
        return self._started(data)

    def _data(self, name: str) -> Path:
        folder = self.data / name
        folder.mkdir()
        return data_folder(folder)

    def _started(self, data: Path) -> Webui:
        flags = ["--ckpt", str(models_folder(data) / "papercut.safetensors")]
        # Papercut's YAML names a module of VXA, for a webui without the extension too.
        return self._running.enter_context(
            started(self.folder, self.python, data, flags, python_path=str(PROJECT))
        )
