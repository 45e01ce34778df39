"""The weight files of a diffusers model: in which variant to load it, what is a pickle, and reading ahead.

A part's weights are `unet/diffusion_pytorch_model.safetensors`, in shards
`…-00001-of-00002.safetensors`, or of a variant `….fp16.safetensors`. Pickles have other endings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from vxa.errors import ModelError

__all__ = ["PICKLES", "Advance", "chosen_files", "find_variant", "read_ahead"]

Advance = Callable[[int, int], object]
"""Called with the bytes done and the total; what it raises ends the work."""

PICKLES = {".ckpt", ".pt", ".pth", ".bin", ".pkl"}
"""Endings of files that can run any code when they are read."""

_WEIGHTS = ("diffusion_pytorch_model", "model", "pytorch_model")
_SHARD = re.compile(r"-\d{5}-of-\d{5}")
_AT_ONCE = 2**24  # bytes


def find_variant(source: str, files: Iterable[str], parts: Collection[str]) -> str | None:
    """Return the variant in which the model's safetensors can be loaded, None for the plain files.

    Args:
        source: the model's name, for messages.
        files: the names of its files, as "unet/diffusion_pytorch_model.fp16.safetensors".
        parts: the names of its parts, those without weights too.

    Raises:
        ModelError: some parts have only pickles, or no variant is there for all parts.
    """
    names = _by_part(files, parts)
    _check_pickles(source, names)
    variants = {part: _variants(paths) for part, paths in names.items()}
    needed = {part: found for part, found in variants.items() if found and None not in found}
    if not needed:
        return None
    common: set[str | None] = set.intersection(*needed.values())
    if not common:
        listed = "; ".join(f"{part}: {', '.join(sorted(map(str, found)))}" for part, found in needed.items())
        raise ModelError(
            f"no variant of {source} has the weights of all its parts ({listed}); add one variant's"
        )
    # Averaged weights are those to generate with; non_ema is there for training.
    return min(map(str, common), key=lambda variant: ("non_ema" in variant, variant))


def chosen_files(files: Iterable[str], parts: Collection[str], variant: str | None) -> list[str]:
    """Return the weight files that are loaded: for each part those of the variant, or else the plain ones."""
    chosen: list[str] = []
    for paths in _by_part(files, parts).values():
        own = {path: _variant_of(path) for path in paths if _is_weights(path)}
        wanted = variant if variant in own.values() else None
        chosen += [str(path) for path, each in own.items() if each == wanted]
    return chosen


def read_ahead(folder: Path, files: Collection[str], advance: Advance) -> None:
    """Read the files once, so that the system has them in memory when they are loaded.

    The libraries that load them tell nobody how far they are. From memory that takes little time.
    """
    total, done = sum((folder / name).stat().st_size for name in files), 0
    advance(0, total)
    for name in files:
        for count in _read(folder / name):
            done += count
            advance(done, total)


def _read(path: Path) -> Iterator[int]:
    """Read a file; yield the number of bytes of each piece."""
    piece = bytearray(_AT_ONCE)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(piece):
            yield count


def _by_part(files: Iterable[str], parts: Collection[str]) -> dict[str, list[PurePosixPath]]:
    names: dict[str, list[PurePosixPath]] = {part: [] for part in parts}
    for path in map(PurePosixPath, files):
        if len(path.parts) == 2 and path.parts[0] in names:
            names[path.parts[0]].append(path)
    return names


def _variants(paths: Iterable[PurePosixPath]) -> set[str | None]:
    """Return the variants of a part's safetensors; None is the plain one."""
    return {_variant_of(path) for path in paths if _is_weights(path)}


def _is_weights(path: PurePosixPath) -> bool:
    return path.suffix == ".safetensors" and _SHARD.sub("", path.name).partition(".")[0] in _WEIGHTS


def _variant_of(path: PurePosixPath) -> str | None:
    return _SHARD.sub("", path.name.removesuffix(".safetensors")).partition(".")[2] or None


def _check_pickles(source: str, names: Mapping[str, list[PurePosixPath]]) -> None:
    pickled = {
        part: sorted(path.name for path in paths if path.suffix in PICKLES and path.name.startswith(_WEIGHTS))
        for part, paths in names.items()
        if not _variants(paths)
    }
    parts = [part for part, found in pickled.items() if found]
    if parts:
        listed, one = " and ".join(parts), len(parts) == 1
        raise ModelError(
            f"the {listed} of {source} {'has' if one else 'have'} only pickled weights "
            f"({parts[0]}/{pickled[parts[0]][0]}), and a pickle can run any code when it is read; if you "
            "trust it, convert it to safetensors: DiffusionPipeline.from_pretrained(…, use_safetensors=False)"
            ".save_pretrained(another folder)"
        )
