"""Papercut scenes as files: image.png, caption.txt, parse.conllu, masks/NOUN.png."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from vxa.errors import SettingError

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
    temporary = folder.absolute().parent / f".vxa-{secrets.token_hex(8)}.tmp"
    try:
        _write(scene, temporary)
        os.replace(temporary, folder)  # replaces an empty folder too
    except OSError as error:
        raise SettingError(
            f"cannot write the folder {name}: {error.strerror or error}; choose another"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _write(scene: Scene, folder: Path) -> None:
    (folder / "masks").mkdir(parents=True)
    scene.image.save(folder / "image.png")
    (folder / "caption.txt").write_text(f"{scene.caption}\n", "utf-8")
    (folder / "parse.conllu").write_text(f"{str(scene.parse).rstrip()}\n\n", "utf-8")
    for noun, mask in scene.masks.items():
        Image.fromarray(np.asarray(mask, np.uint8) * np.uint8(255)).save(folder / "masks" / f"{noun}.png")
