"""Loading of diffusers models: folders and the hub, from safetensors only, and the errors of bad sources.

Nothing is downloaded for a folder. Single files are in `vxa.models.single_file`.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from safetensors import SafetensorError

from vxa.errors import ModelError
from vxa.models.diffusers import DiffusersModel
from vxa.models.pipeline_checks import SUPPORTED
from vxa.models.quiet import quietly
from vxa.models.weight_files import Advance, chosen_files, find_variant, read_ahead

with quietly("transformers"):
    from diffusers import DDIMScheduler, DiffusionPipeline, __version__

__all__ = ["catching_bad_models", "from_pretrained", "set_ddim"]

_LIBRARIES = ("diffusers", "transformers")
# diffusers deprecated its name of the precision in 0.42, and knew no other before.
_DTYPE = "dtype" if tuple(map(int, __version__.split(".")[:2])) >= (0, 42) else "torch_dtype"
_INDEX = "model_index.json"
# Raised by diffusers, transformers and safetensors for broken, incomplete and missing models.
_LOADING_ERRORS = (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, SafetensorError)


def from_pretrained(
    source: str, dtype: torch.dtype = torch.float32, advance: Advance | None = None
) -> DiffusersModel:
    """Load the model from a diffusers folder or the hub onto the CPU, from safetensors only.

    Where a part has weights of a variant alone (`….fp16.safetensors`), the model is loaded in that variant.

    Args:
        source: a folder or a hub id.
        dtype: the precision of the weights, whatever their files have.
        advance: called with the bytes read of the weights' files, and the total.

    Raises:
        ModelError: it cannot be loaded, or is not a model VXA understands.
    """
    local = os.path.isdir(source)
    with catching_bad_models(source), quietly(*(_LIBRARIES if local else ())):  # keep a download's bars
        place, files = (source, _list_folder(source)) if local else _find_on_hub(source)
        parts = _parts(source, place)
        variant = find_variant(source, files, parts)
        chosen = {"use_safetensors": True, "variant": variant}
        if not os.path.isdir(place):
            place = DiffusionPipeline.download(place, **chosen)
        if advance is not None:
            read_ahead(Path(place), chosen_files(files, parts, variant), advance)
        pipeline = DiffusionPipeline.from_pretrained(place, **{_DTYPE: dtype}, **chosen)
    return DiffusersModel(pipeline, name=source)


@contextlib.contextmanager
def catching_bad_models(source: str) -> Iterator[None]:
    """Turn the errors of loading a bad source into a ModelError of one line."""
    try:
        yield
    except ModelError:
        raise
    except _LOADING_ERRORS as error:
        if not os.path.exists(source):
            raise ModelError(
                f"there is no folder or file {source}, and the hub did not give it; check the name, or give "
                "the path of a model on this machine"
            ) from error
        reason = shorten(" ".join(str(error).split()), 200, placeholder=" …")
        raise ModelError(
            f"cannot load a model from {source} (from safetensors weights only): {reason}; "
            "check the path, or save it again with diffusers"
        ) from error


def _parts(source: str, place: str) -> list[str]:
    """Return the names of the model's parts, by its index.

    Raises:
        ModelError: it has no UNet.
    """
    from huggingface_hub import hf_hub_download

    path = os.path.join(place, _INDEX) if os.path.isdir(place) else hf_hub_download(place, _INDEX)
    index: dict[str, Any] = json.loads(Path(path).read_text("utf-8"))
    # A part is its library and its class; a part that is left out has null for both.
    parts = [name for name, part in index.items() if isinstance(part, list) and len(part) == 2 and part[1]]
    if "unet" not in parts:
        kind = index.get("_class_name", "pipeline")
        raise ModelError(f"{source} is a {kind} without a UNet (SD3, Flux and others have none); {SUPPORTED}")
    return parts


def _list_folder(folder: str) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in Path(folder).glob("*/*")]


def _find_on_hub(source: str) -> tuple[str, list[str]]:
    """Return where to load from and the files there: the hub, or its cache where the hub is out of reach."""
    from huggingface_hub import list_repo_files, snapshot_download

    try:
        return source, list(list_repo_files(source))
    except Exception:  # the errors of its HTTP library, httpx or httpx2 by its version, beside its own
        folder = snapshot_download(source, local_files_only=True)
        return folder, _list_folder(folder)


def set_ddim(model: Any) -> str:
    """Set a DDIM scheduler of the same noise schedule; return the other scheduler's name, else "".

    Raises ModelError for a model without a pipeline.
    """
    pipeline = getattr(model, "pipeline", None)
    if pipeline is None:
        raise ModelError(f"the model {model.name} has no pipeline; give a diffusers pipeline")
    former = pipeline.scheduler
    if isinstance(former, DDIMScheduler) and not (former.config.clip_sample or former.config.thresholding):
        return ""
    pipeline.scheduler = DDIMScheduler.from_config(former.config, clip_sample=False, thresholding=False)
    return type(former).__name__
