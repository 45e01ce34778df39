"""Masks of words in formats that other tools read: PNG, and COCO's compressed run-length encoding.

    write_masks(maps, "masks", "hat, cat")          # masks/hat.png, masks/cat.png, masks/coco.json
    coco_rle(mask)                                  # {"size": [height, width], "counts": "…"}

The counts equal those of pycocotools' `mask.encode`: run lengths in column order, beginning with zeros. From
the fourth run on, each is stored as the difference from the run two before, with five bits per character.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vxa.attention.sites import SiteSpec
from vxa.errors import ImageError, SettingError
from vxa.io.atomic import atomic_file, check_folder_writable
from vxa.io.file_names import distinct_names, file_stem
from vxa.io.images import save_image
from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.selection import WordSpec
from vxa.tokens import Word

__all__ = ["check_masks_folder", "coco_rle", "mask_of_rle", "write_masks"]

_SPLIT, _SIGN, _MORE, _FIRST = 5, 0x10, 0x20, 48


def coco_rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Encode a mask, bool [height, width], as pycocotools does, with the counts as text."""
    flat = np.asarray(mask, np.bool_).ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist() if flat.size else []
    if flat.size and flat[0]:
        runs.insert(0, 0)
    counts = [run - runs[place - 2] if place > 2 else run for place, run in enumerate(runs)]
    return {
        "size": list(mask.shape),
        "counts": "".join(letter for count in counts for letter in _encode_number(count)),
    }


def mask_of_rle(rle: dict[str, Any]) -> NDArray[np.bool_]:
    """Decode a mask from `coco_rle`'s form. Raises SettingError if the runs do not fill the mask."""
    height, width = rle["size"]
    runs: list[int] = []
    for number in _decode_numbers(rle["counts"]):
        runs.append(number + runs[-2] if len(runs) > 2 else number)
    if sum(runs) != height * width or any(run < 0 for run in runs):
        raise SettingError(f"the run lengths fill {sum(runs)} pixels of {height * width}; they are damaged")
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return values.reshape((height, width), order="F")


def _encode_number(number: int) -> Iterator[str]:
    more = True
    while more:
        letter = number & (_MORE - 1)
        number >>= _SPLIT
        more = number != (-1 if letter & _SIGN else 0)
        yield chr(_FIRST + letter + (_MORE if more else 0))


def _decode_numbers(counts: str) -> Iterator[int]:
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
    """Write a PNG for each word, white inside its mask, and coco.json; return the paths.

    A mask is True where the word's map reaches `threshold` times its maximum. `refine` refines the map by
    self-attention first. Each occurrence of a repeated word has its own mask. Without `words`, every word
    with a letter or digit is written.

    Raises:
        ImageError: the folder cannot be written.
        WordError, SiteError, SettingError: as `AttentionMaps.heat_map` and `HeatMap.mask`.
    """
    chosen = _select_words(maps, words)
    heats = [maps.heat_map(tokens=word.tokens, sites=sites, refine=refine) for word in chosen]
    masks = [heat.mask(threshold=threshold) for heat in heats]
    folder = Path(folder)
    names = distinct_names([file_stem(word.text, "word") for word in chosen])
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


def _select_words(maps: AttentionMaps, words: WordSpec) -> tuple[Word, ...]:
    if words is not None and words != "":
        return maps.find_words(words)
    return tuple(word for word in maps.words if word.is_spoken)


def _coco(words: Sequence[Word], masks: Sequence[NDArray[np.bool_]], size: tuple[int, int]) -> dict[str, Any]:
    """Return the COCO description of one image, with an annotation for each word."""
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
    """Return [left, top, width, height] of the mask; zeros for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return [0, 0, 0, 0]
    return [int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
