"""Models on this machine to choose among: those that are named, those in folders, those of the hub's cache.

    model_choices(["papercut"], [Path("models")])      # (ModelChoice("papercut", "papercut"), …)

Files are listed by what they are, without reading any weights.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import CacheNotFound, constants, scan_cache_dir
from safetensors import SafetensorError, safe_open

from vxa.errors import SettingError

__all__ = ["ModelChoice", "cached_models", "folder_models", "model_choices"]

_INDEX = "model_index.json"
_UNET_WEIGHT = "model.diffusion_model.input_blocks.0.0.weight"  # no LoRA and no VAE has it
_TEXT_TO_IMAGE = re.compile(r"(StableDiffusion|StableDiffusionXL|LatentConsistencyModel)(PAG)?Pipeline")
_DEPTH = 3  # folders within a folder; links may lead in circles


@dataclass(frozen=True)
class ModelChoice:
    """A model to choose.

    Attributes:
        name: its name for people, which no other choice has.
        source: what `vxa.load` is given.
    """

    name: str
    source: str


def model_choices(named: Sequence[str], folders: Sequence[Path] = ()) -> tuple[ModelChoice, ...]:
    """Return the named models, papercut, those of the folders, and those of the hub's cache, each once.

    Raises:
        SettingError: a folder is not there, or holds no model.
    """
    found = [str(path) for folder in folders for path in folder_models(folder)]
    sources = list(dict.fromkeys([*named, "papercut", *found, *cached_models()]))
    names = [_short_name(source) for source in sources]
    counts = Counter(names)
    return tuple(
        ModelChoice(name if counts[name] == 1 else source, source)
        for name, source in zip(names, sources, strict=True)
    )


def folder_models(folder: Path) -> list[Path]:
    """Return the diffusers folders and the .safetensors checkpoints in the folder, by name.

    Raises:
        SettingError: the folder is not there, or holds no model.
    """
    if not folder.is_dir():
        raise SettingError(f"there is no folder {str(folder)!r}; give one that holds models")
    found = list(_models_in(folder, _DEPTH))
    if not found:
        raise SettingError(
            f"the folder {str(folder)!r} holds no model; give one that holds diffusers folders or "
            ".safetensors checkpoints"
        )
    return found


def cached_models() -> list[str]:
    """Return the ids of the text-to-image models with a UNet in the hub's cache, by name."""
    try:
        repositories = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return []
    return sorted(
        each.repo_id
        for each in repositories
        if each.repo_type == "model" and any(_is_text_to_image(one.snapshot_path) for one in each.revisions)
    )


def _short_name(source: str) -> str:
    """Return a model's name for people: that of its file or folder; a hub id is its own."""
    path = Path(source)
    if not path.exists():
        return source
    return path.resolve().name.removesuffix(".safetensors")


def _models_in(folder: Path, depth: int) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_file():
            if path.suffix.lower() == ".safetensors" and _is_checkpoint(path):
                yield path
        elif _has_unet(_index_of(path)):
            yield path
        elif depth and path.is_dir() and not (path / _INDEX).exists():
            yield from _models_in(path, depth - 1)


def _is_checkpoint(path: Path) -> bool:
    """Return whether a file is a whole checkpoint, by its header."""
    try:
        with safe_open(path, framework="pt") as file:
            return _UNET_WEIGHT in file.keys()  # noqa: SIM118
    except (OSError, SafetensorError):
        return False


def _is_text_to_image(folder: Path) -> bool:
    """Return whether a snapshot is of a text-to-image pipeline, and has its UNet's weights."""
    index = _index_of(folder)
    kind = _TEXT_TO_IMAGE.fullmatch(str(index.get("_class_name")))
    return _has_unet(index) and kind is not None and any(folder.glob("unet/*.safetensors"))


def _has_unet(index: dict[str, Any]) -> bool:
    part = index.get("unet")
    return isinstance(part, list) and len(part) == 2 and part[1] is not None


def _index_of(folder: Path) -> dict[str, Any]:
    """Return the index of a diffusers folder; an empty one where there is none that can be read."""
    try:
        index = json.loads((folder / _INDEX).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return index if isinstance(index, dict) else {}
