"""Models, and one loader for all kinds; the code of a kind is imported only when it is needed."""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from vxa.errors import ModelError
from vxa.models.weight_files import PICKLES

if TYPE_CHECKING:
    from vxa.models.protocol import Model

__all__ = ["load"]

_NAMES = '"papercut", a diffusers folder, a .safetensors checkpoint, or a hub id like "owner/name"'
_OBJECTS = f"{_NAMES}, a diffusers pipeline, or a model object of ldm's kind"


def load(source: object = "papercut") -> Model:
    """Return the model that `source` names.

    Args:
        source: "papercut" (the model that ships with the package), the path of a diffusers folder or of a
            single .safetensors checkpoint, a hub id, a diffusers pipeline, a model object of ldm's kind, or
            a Model, returned as it is.

    Raises:
        ModelError: the source is missing, not a model VXA understands, or a pickle checkpoint.
    """
    if isinstance(source, (str, os.PathLike)):
        return _load_named(os.fspath(source))
    if isinstance(source, type):
        raise ModelError(f"the class {source.__name__} is not a model; give an object of it, or {_OBJECTS}")
    if hasattr(source, "sites") and hasattr(source, "denoise"):
        return source  # type: ignore[return-value]
    if hasattr(source, "components"):
        from vxa.models.diffusers import DiffusersModel

        return DiffusersModel(source)
    if hasattr(source, "first_stage_model"):
        from vxa.models.ldm.model import LdmModel

        return LdmModel(source)
    raise ModelError(f"a {type(source).__name__} is not a model; give {_OBJECTS}")


def _load_named(source: str | bytes) -> Model:
    name = os.fsdecode(source)
    if not name.strip():
        raise ModelError(f"the model's name is empty; give {_NAMES}")
    if name == "papercut":
        from vxa.models.papercut import load as load_papercut

        return load_papercut()
    path = Path(os.path.expanduser(name))  # Path.expanduser raises RuntimeError for an unknown user
    if path.suffix.lower() in PICKLES:
        raise ModelError(
            f"{name} is a pickle checkpoint, which can run any code when it is read; "
            "convert it to .safetensors"
        )
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL
        is_folder = is_file = False
    if is_folder:
        return _load_folder(path)
    if is_file:
        return _load_file(path)
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name) or path.suffix.lower() == ".safetensors":
        near = "; did you mean papercut?" if get_close_matches(name.casefold(), ["papercut"]) else ""
        raise ModelError(f"there is no model at {name[:200]!r}; give {_NAMES}{near}")
    from vxa.models.loading import from_pretrained

    return from_pretrained(name)


def _load_folder(path: Path) -> Model:
    if not (path / "model_index.json").is_file():
        raise ModelError(f"the folder {path} holds no diffusers model (no model_index.json); give {_NAMES}")
    from vxa.models.loading import from_pretrained

    return from_pretrained(str(path))


def _load_file(path: Path) -> Model:
    if path.suffix.lower() != ".safetensors":
        raise ModelError(f"{path} is not a model; give {_NAMES}")
    from vxa.models.single_file import from_single_file

    return from_single_file(str(path))
