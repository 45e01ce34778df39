"""Masks of words in formats that other tools read: PNG, and COCO's compressed run-length encoding.

    write_masks(maps, "masks", "hat, cat")          # masks/hat.png, masks/cat.png, masks/coco.json
    write_masks(maps, "masks", edges="photo.png")   # along the edges of the picture that the maps are of
    coco_rle(mask)                                  # {"size": [height, width], "counts": "…"}

The counts equal those of pycocotools' `mask.encode`: run lengths in column order, beginning with zeros. From
the fourth run on, each is stored as the difference from the run two before, with five bits per character.
Run lengths keep a mask exactly, and COCO's tools take them for single objects (`iscrowd` 0) as well.
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
from vxa.io.coco import add_image, read_dataset
from vxa.io.file_names import distinct_names, file_stem
from vxa.io.images import ImageSource, image_name, read_image, save_image
from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.edges import picture_of_size
from vxa.maps.selection import HeadSpec, TokenSpec, WordSpec, token_groups, union
from vxa.tokens import Word

__all__ = ["check_masks_folder", "coco_rle", "mask_of_rle", "write_masks"]

_DATASET, _UNNAMED = "coco.json", "image.png"
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
    read_dataset(folder / _DATASET)


def write_masks(
    maps: AttentionMaps,
    folder: str | Path,
    words: WordSpec = None,
    sites: SiteSpec = None,
    threshold: float | None = None,
    refine: bool = False,
    image: ImageSource | None = None,
    edges: ImageSource | None = None,
    tokens: TokenSpec = None,
    heads: HeadSpec = None,
) -> list[Path]:
    """Write a PNG for each word, white inside its mask, and coco.json; return their paths.

    A mask is True where the word's map reaches `threshold` times its maximum. `refine` refines the map by
    self-attention first. Each occurrence of a repeated word has its own mask. `tokens` choose the words that
    they are parts of; one of no word, such as padding, has a mask of its own. Without `words` and `tokens`,
    every word with a letter or digit is written. A mask of no pixels is a black PNG, and a category without
    annotation.

    `edges` is the picture that the maps are of: a path, a PIL image or an array. The masks then follow its
    edges, as those of `HeatMap.mask` do, and are no longer of attention alone; coco.json says so ("edges").

    coco.json names the image as `image` does, a path or a name, or else as `edges` does, or as the file that
    the maps were made of. An image without a name is image.png; given as a PIL image or an array, it is
    written beside the masks. Further images are added to a coco.json that is there, and their masks get names
    of their own. An image whose name is there already is replaced.

    Raises:
        ImageError: the folder cannot be written, its coco.json is another program's, `edges` cannot be read,
            or `image` is not of the maps' size.
        WordError, TokenIndexError, SiteError, HeadError, SettingError: as `AttentionMaps.heat_map` and
            `HeatMap.mask`; `edges` of another size than the maps' is a SettingError.
    """
    guide = None if edges is None else picture_of_size(read_image(edges), maps.image_size)
    chosen = _select_words(maps, words, tokens)
    heats = maps.heat_maps(chosen, sites=sites, heads=heads, refine=refine) if chosen else []
    masks = [heat.mask(threshold=threshold, edges=guide) for heat in heats]
    folder = Path(folder)
    picture, file_name = _picture_and_name(edges if image is None else image, maps)
    dataset = read_dataset(folder / _DATASET)
    names = _png_names([word.text for word in chosen], file_name, dataset)
    drawn = [Image.fromarray(mask.astype(np.uint8) * np.uint8(255)) for mask in masks]
    height, width = maps.image_size
    entry = {"file_name": file_name, "width": width, "height": height, "masks": names}
    entry |= {"edges": True} if guide is not None else {}
    objects = [(word.text, _annotation(mask)) for word, mask in zip(chosen, masks, strict=True)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if picture is not None:
            save_image(picture, folder / file_name)
        paths = [save_image(mask, folder / name) for mask, name in zip(drawn, names, strict=True)]
        with atomic_file(folder / _DATASET) as file:
            file.write(json.dumps(add_image(dataset, entry, objects), indent=1).encode("utf-8"))
    except OSError as error:
        raise ImageError(f"cannot write masks to {str(folder)!r}: {error.strerror or error}") from error
    return [*paths, folder / _DATASET]


def _picture_and_name(image: Any, maps: AttentionMaps) -> tuple[Image.Image | None, str]:
    """Return the picture to write beside the masks, or None, and the image's file name.

    Raises ImageError if the image cannot be read or is not of the maps' size.
    """
    if image is None or isinstance(image, (str, Path)):
        return None, image_name(image) or maps.provenance.image or _UNNAMED
    picture = read_image(image)
    size = (picture.height, picture.width)
    if size != maps.image_size:
        raise ImageError(
            f"the image is {size[0]}×{size[1]} (height×width) and the maps are of one of "
            f"{maps.image_size[0]}×{maps.image_size[1]}; give the image they were made from"
        )
    name = image_name(picture) or maps.provenance.image
    return (None, name) if name else (picture, _UNNAMED)


def _png_names(texts: Sequence[str], file_name: str, dataset: dict[str, Any]) -> list[str]:
    """Return a file name for each word's mask that no other image of the dataset has, nor an image itself."""
    others = [each for each in dataset["images"] if each["file_name"] != file_name]
    used = [file_name, *(name for each in others for name in (each["file_name"], *each["masks"]))]
    stems = [Path(name).stem for name in used if name.lower().endswith(".png")]
    names = [file_stem(text, "word") for text in texts]
    if distinct_names(names, stems) != distinct_names(names):
        names = [file_stem(f"{Path(file_name).stem}-{name}", "word") for name in names]
    return [f"{name}.png" for name in distinct_names(names, stems)]


def _select_words(maps: AttentionMaps, words: WordSpec, tokens: TokenSpec) -> tuple[Word, ...]:
    """Return the words to write, in the prompt's order, and one of its own for each token that has none."""
    if words in (None, "") and tokens in (None, ""):
        return tuple(word for word in maps.words if word.is_spoken)
    texts, groups = token_groups(maps.tokens, words, tokens)
    if texts:
        return tuple(Word(*each) for each in zip(texts, groups, strict=True))
    chosen = set(union(groups))
    loose = chosen.difference(*(word.tokens for word in maps.words))
    found = [word for word in maps.words if not chosen.isdisjoint(word.tokens)]
    return *found, *(Word(f"token {index}", (index,)) for index in sorted(loose))


def _annotation(mask: NDArray[np.bool_]) -> dict[str, Any] | None:
    """Return COCO's description of a mask, without ids; None for a mask of no pixels."""
    if not mask.any():
        return None
    return {"segmentation": coco_rle(mask), "area": int(mask.sum()), "bbox": _box(mask)}


def _box(mask: NDArray[np.bool_]) -> list[int]:
    """Return [left, top, width, height] of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return [int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
