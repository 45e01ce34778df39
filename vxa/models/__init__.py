"""Models, and one loader for all kinds; the code of a kind is imported only when it is needed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vxa.errors import ModelError, SettingError
from vxa.models.settings import LoadSettings, Offload
from vxa.models.weight_files import PICKLES, Advance

if TYPE_CHECKING:
    import torch

    from vxa.models.protocol import Model

__all__ = ["Read", "find_model", "load"]

Read = Callable[["torch.dtype", "Advance | None"], Any]
"""Reads a model's weights in a precision onto the CPU, and tells how far it is."""

_NAMES = '"papercut", a diffusers folder, a .safetensors checkpoint, or a hub id like "owner/name"'
_OBJECTS = f"{_NAMES}, a diffusers pipeline, or a model object of ldm's kind"


def load(
    source: object = "papercut",
    *,
    device: str | None = None,
    dtype: str | torch.dtype = "auto",
    offload: Offload = "none",
    advance: Advance | None = None,
) -> Model:
    """Return the model that `source` names.

    Args:
        source: "papercut" (the model that ships with the package), the path of a diffusers folder or of a
            single .safetensors checkpoint, a hub id, a diffusers pipeline, a model object of ldm's kind, or
            a Model, returned as it is.
        device: "cpu" (None for a named model), "cuda", "cuda:1", "mps", or "auto": CUDA where there is one.
        dtype: the precision in which the weights are read: "fp32", "fp16", "bf16" or torch's own, or "auto":
            fp16 on CUDA and MPS, fp32 on a CPU and for papercut. Maps are computed in float32 whatever it is.
        offload: "model" keeps each network in main memory until it runs, "sequential" each layer.
        advance: called while the weights are read, with the bytes read and the total.

    Raises:
        ModelError: the source is missing, not a model VXA understands, or a pickle checkpoint.
        SettingError: device, dtype or offload is unknown, cannot be had, or is given for an object, which
            keeps its own.
    """
    settings = LoadSettings(device or "cpu", _dtype_name(dtype), offload)
    if isinstance(source, (str, os.PathLike)):
        return _load_named(os.fsdecode(os.fspath(source)), settings, advance)
    model = _model_of(source)
    if device is not None or (settings.dtype, offload) != ("auto", "none"):
        raise SettingError(
            f"device, dtype and offload are for a model that is loaded by its name, and a "
            f"{type(source).__name__} keeps its own; leave them out, or set them on the object"
        )
    return model


def find_model(name: str) -> Read:
    """Return what reads the named model.

    Raises:
        ModelError: there is nothing of that name, or a pickle checkpoint.
    """
    if not name.strip():
        raise ModelError(f"the model's name is empty; give {_NAMES}")
    if name == "papercut":
        return _read_papercut
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
        return _read_folder(path)
    if is_file:
        return _read_file(path)
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name) or path.suffix.lower() == ".safetensors":
        near = "; did you mean papercut?" if get_close_matches(name.casefold(), ["papercut"]) else ""
        raise ModelError(f"there is no model at {name[:200]!r}; give {_NAMES}{near}")
    return _read_pretrained(name)


def _model_of(source: object) -> Model:
    """Return the Model of an object. Raises ModelError where it is of no known kind."""
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


def _load_named(name: str, settings: LoadSettings, advance: Advance | None) -> Model:
    read = find_model(name)
    from vxa.models.placement import find_placement

    placement = find_placement(name, settings)
    model = read(placement.dtype, advance)
    placement.place(model.pipeline)
    return model  # type: ignore[no-any-return]


def _dtype_name(dtype: object) -> str:
    """Return the name of a precision; torch's own are "torch.float16" and the like."""
    names = {"torch.float32": "fp32", "torch.float16": "fp16", "torch.bfloat16": "bf16"}
    return dtype if isinstance(dtype, str) else names.get(str(dtype), str(dtype))


def _read_papercut(dtype: torch.dtype, advance: Advance | None) -> Any:
    from vxa.models.papercut import load as load_papercut

    return load_papercut(dtype, advance)


def _read_pretrained(name: str) -> Read:
    def read(dtype: torch.dtype, advance: Advance | None) -> Any:
        from vxa.models.loading import from_pretrained

        return from_pretrained(name, dtype, advance)

    return read


def _read_folder(path: Path) -> Read:
    if not (path / "model_index.json").is_file():
        raise ModelError(f"the folder {path} holds no diffusers model (no model_index.json); give {_NAMES}")
    return _read_pretrained(str(path))


def _read_file(path: Path) -> Read:
    if path.suffix.lower() != ".safetensors":
        raise ModelError(f"{path} is not a model; give {_NAMES}")

    def read(dtype: torch.dtype, advance: Advance | None) -> Any:
        from vxa.models.single_file import from_single_file

        return from_single_file(str(path), dtype=dtype, advance=advance)

    return read
