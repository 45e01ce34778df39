"""COCO's description of images and the masks on them, several images to a file.

    dataset = add_image(read_dataset(path), {"file_name": "cat.png", …}, [("hat", {"segmentation": …, …})])

An image is known by its `file_name`: describing it again replaces what was said of it. Ids are unique in the
dataset, and a category is one word's text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vxa.errors import ImageError

__all__ = ["CONTRIBUTOR", "add_image", "read_dataset"]

CONTRIBUTOR = "VXA"
"""The mark of a dataset that VXA wrote, and may add to."""
Dataset = dict[str, Any]
_EMPTY: Dataset = {
    "info": {"description": "Masks of words", "contributor": CONTRIBUTOR},
    "images": [],
    "categories": [],
    "annotations": [],
}
_MALFORMED = (LookupError, TypeError, ValueError, AttributeError, RecursionError)


def read_dataset(path: Path) -> Dataset:
    """Read a dataset that VXA wrote; an empty one if there is no file.

    Raises ImageError for a file that VXA did not write, or that is damaged: it is not to be overwritten.
    """
    if not path.exists():
        return {**_EMPTY}
    try:
        dataset: Dataset = json.loads(path.read_bytes())
        _check(dataset)
    except OSError as error:
        raise ImageError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    except _MALFORMED as error:
        raise ImageError(
            f"cannot add masks to {str(path)!r}: this version of VXA did not write it, or it is damaged; "
            "move it away, or choose another folder"
        ) from error
    return dataset


def _check(dataset: Dataset) -> None:
    """Raise one of _MALFORMED unless the dataset has the parts that `add_image` reads."""
    if dataset["info"]["contributor"] != CONTRIBUTOR:
        raise ValueError("another program's")
    texts = [name for image in dataset["images"] for name in (image["file_name"], *image["masks"])]
    texts += [category["name"] for category in dataset["categories"]]
    ids = [each["id"] for part in ("images", "categories", "annotations") for each in dataset[part]]
    ids += [each[key] for each in dataset["annotations"] for key in ("image_id", "category_id")]
    if not all(isinstance(text, str) for text in texts) or not all(type(number) is int for number in ids):
        raise ValueError("other types")


def add_image(dataset: Dataset, image: dict[str, Any], objects: Sequence[tuple[str, Any]]) -> Dataset:
    """Return the dataset with an image, its ids filled in, in place of the image of the same file name.

    Each object is a category's name and an annotation, or None where the category is on no pixel: it is
    listed, and has no annotation, because a mask of no pixels matches nothing in COCO's measure.
    """
    older = next((each for each in dataset["images"] if each["file_name"] == image["file_name"]), None)
    annotations = [each for each in dataset["annotations"] if not older or each["image_id"] != older["id"]]
    used = {each["category_id"] for each in annotations}
    categories = [each for each in dataset["categories"] if each["id"] in used]
    named = {each["name"]: each["id"] for each in categories}
    for name, _ in objects:
        if name not in named:
            named[name] = _free(categories)
            categories.append({"id": named[name], "name": name})
    image = {"id": older["id"] if older else _free(dataset["images"]), **image}
    images = [image if each is older else each for each in dataset["images"]]
    for name, annotation in objects:
        if annotation is not None:
            place = {"id": _free(annotations), "image_id": image["id"], "category_id": named[name]}
            annotations.append({**place, **annotation, "iscrowd": 0})
    return {
        **dataset,
        "images": images if older else [*images, image],
        "categories": categories,
        "annotations": annotations,
    }


def _free(entries: Sequence[dict[str, Any]]) -> int:
    """Return an id above those of the entries; COCO's ids begin at 1."""
    return max((each["id"] for each in entries), default=0) + 1
