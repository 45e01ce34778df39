"""Papercut scenes as files: image.png, caption.txt, parse.conllu, masks/NOUN.png."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from vxa.errors import SettingError
from vxa.io.atomic import move_into_place, temporary_path

if TYPE_CHECKING:
    from vxa.papercut import Scene

__all__ = ["write_scene"]


def write_scene(scene: Scene, folder: str | Path) -> Path:
    """Write the scene into a new or empty folder, completely or not at all, and return the folder.

    Masks are white where the noun is visible. Raises SettingError if the folder is not empty or cannot be
    written.
    """
    folder = Path(folder)
    name = repr(str(folder))
    if folder.is_dir() and any(folder.iterdir()):
        raise SettingError(f"the folder {name} is not empty; choose a new one, or empty it")
    if folder.exists() and not folder.is_dir():
        raise SettingError(f"{name} is a file; choose a new folder")
    if not folder.absolute().parent.is_dir():
        raise SettingError(
            f"there is no folder {str(folder.absolute().parent)!r} to make {name} in; create it"
        )
    temporary = temporary_path(folder.absolute().parent)
    is_there = folder.is_dir()
    try:
        _write(scene, temporary)
        if is_there:
            folder.rmdir()  # Windows replaces no folder, not even an empty one
        move_into_place(temporary, folder)
    except OSError as error:
        if is_there:
            with contextlib.suppress(OSError):
                folder.mkdir(exist_ok=True)
        raise SettingError(
            f"cannot write the folder {name}: {error.strerror or error}; choose another"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _write(scene: Scene, folder: Path) -> None:
    (folder / "masks").mkdir(parents=True)
    scene.image.save(folder / "image.png")
    (folder / "caption.txt").write_text(f"{scene.caption}\n", "utf-8", newline="\n")
    (folder / "parse.conllu").write_text(f"{str(scene.parse).rstrip()}\n\n", "utf-8", newline="\n")
    for noun, mask in scene.masks.items():
        Image.fromarray(np.asarray(mask, np.uint8) * np.uint8(255)).save(folder / "masks" / f"{noun}.png")
