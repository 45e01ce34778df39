"""Masks of words in the forms that other tools read: PNG files, and COCO's compressed run lengths.

    write_masks(maps, "masks", "hat, cat")          # masks/hat.png, masks/cat.png, masks/coco.json
    coco_rle(mask)                                  # {"size": [height, width], "counts": "…"}

The counts are those of pycocotools' `mask.encode`: run lengths down the columns, beginning with zeros, each
from the third on as its difference to the one two before, five bits a character.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vxa.attention.sites import SiteSpec
from vxa.errors import ImageError, SettingError
from vxa.io.atomic import atomic_file, check_folder_writable
from vxa.io.images import save_image
from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.selection import WordSpec
from vxa.tokens import Word

__all__ = ["check_masks_folder", "coco_rle", "mask_of_rle", "write_masks"]

_SPLIT, _SIGN, _MORE, _FIRST = 5, 0x10, 0x20, 48


def coco_rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """The mask, bool [height, width], as pycocotools encodes it, its counts as text."""
    flat = np.asarray(mask, np.bool_).ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist() if flat.size else []
    if flat.size and flat[0]:
        runs.insert(0, 0)
    apart = [run - runs[place - 2] if place > 2 else run for place, run in enumerate(runs)]
    return {"size": list(mask.shape), "counts": "".join(letter for run in apart for letter in _letters(run))}


def mask_of_rle(rle: dict[str, Any]) -> NDArray[np.bool_]:
    """The mask of such an encoding. Raises SettingError where its runs do not fill it."""
    height, width = rle["size"]
    runs: list[int] = []
    for number in _numbers(rle["counts"]):
        runs.append(number + runs[-2] if len(runs) > 2 else number)
    if sum(runs) != height * width or any(run < 0 for run in runs):
        raise SettingError(f"the run lengths fill {sum(runs)} pixels of {height * width}; they are damaged")
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return values.reshape((height, width), order="F")


def _letters(number: int) -> Iterator[str]:
    more = True
    while more:
        letter = number & (_MORE - 1)
        number >>= _SPLIT
        more = number != (-1 if letter & _SIGN else 0)
        yield chr(_FIRST + letter + (_MORE if more else 0))


def _numbers(counts: str) -> Iterator[int]:
    number = shift = 0
    for letter in counts:
        value = ord(letter) - _FIRST
        number |= (value & (_MORE - 1)) << shift
        shift += _SPLIT
        if not value & _MORE:
            yield number - (1 << shift) if value & _SIGN else number
            number = shift = 0


def check_masks_folder(folder: Path) -> None:
    """Raise ImageError for a folder that masks could not be written into."""
    try:
        check_folder_writable(folder if folder.is_dir() else folder.absolute().parent)
    except OSError as error:
        raise ImageError(f"cannot write masks to {str(folder)!r}: {error.strerror or error}") from error


def write_masks(
    maps: AttentionMaps,
    folder: str | Path,
    words: WordSpec = None,
    sites: SiteSpec = None,
    threshold: float | None = None,
    refine: bool = False,
) -> list[Path]:
    """The paths written: a PNG for each word, white in its mask, and coco.json.

    A mask is where the map, refined by self-attention with `refine`, reaches `threshold` of its maximum.

    Words that are there several times have a mask each. Blank is every word with a letter or digit.

    Raises:
        ImageError: the folder cannot be written.
        WordError, SiteError, SettingError: as `AttentionMaps.heat_map` and `HeatMap.mask`.
    """
    chosen = _chosen(maps, words)
    heats = [maps.heat_map(tokens=word.tokens, sites=sites, refine=refine) for word in chosen]
    masks = [heat.mask(threshold=threshold) for heat in heats]
    folder = Path(folder)
    names = _file_names(chosen)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [
            save_image(Image.fromarray(mask.astype(np.uint8) * np.uint8(255)), folder / f"{name}.png")
            for name, mask in zip(names, masks, strict=True)
        ]
        with atomic_file(folder / "coco.json") as file:
            file.write(json.dumps(_coco(chosen, masks, maps.image_size), indent=1).encode("utf-8"))
    except OSError as error:
        raise ImageError(f"cannot write masks to {str(folder)!r}: {error.strerror or error}") from error
    return [*paths, folder / "coco.json"]


def _chosen(maps: AttentionMaps, words: WordSpec) -> tuple[Word, ...]:
    if words is not None and words != "":
        return maps.find_words(words)
    return tuple(word for word in maps.words if word.is_spoken)


def _file_names(words: Sequence[Word]) -> list[str]:
    """A file name for each word, numbered where several words would share one."""
    plain = [re.sub(r"[^\w-]+", "-", word.text)[:60].strip("-") or "word" for word in words]
    folded = [name.casefold() for name in plain]
    return [
        f"{name}-{folded[: place + 1].count(folded[place])}" if folded.count(folded[place]) > 1 else name
        for place, name in enumerate(plain)
    ]


def _coco(words: Sequence[Word], masks: Sequence[NDArray[np.bool_]], size: tuple[int, int]) -> dict[str, Any]:
    """COCO's layout of one image with an annotation for each word."""
    texts = list(dict.fromkeys(word.text for word in words))
    return {
        "images": [{"id": 1, "height": size[0], "width": size[1]}],
        "categories": [{"id": number, "name": text} for number, text in enumerate(texts, 1)],
        "annotations": [
            {
                "id": number,
                "image_id": 1,
                "category_id": texts.index(word.text) + 1,
                "segmentation": coco_rle(mask),
                "area": int(mask.sum()),
                "bbox": _box(mask),
                "iscrowd": 1,
            }
            for number, (word, mask) in enumerate(zip(words, masks, strict=True), 1)
        ],
    }


def _box(mask: NDArray[np.bool_]) -> list[int]:
    """[left, top, width, height] of the mask; zeros of an empty one."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return [0, 0, 0, 0]
    return [int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
