"""Crops that an inpainting pipeline works on (`padding_mask_crop`), observed where it chooses them.

with listen_to_crops(pipeline, on_crop):
    pipeline(…, padding_mask_crop=32)           # on_crop(Crop(box, image_size)) before the first pass
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["Crop", "listen_to_crops"]


@dataclass(frozen=True)
class Crop:
    """Part of an image that a pipeline cuts out, enlarges, and pastes back.

    Attributes:
        box: (left, top, right, bottom) in pixels of the image.
        image_size: (height, width) of the image.
        plane: (height, width) of what the network works on; the box is fitted into its middle.
    """

    box: tuple[int, int, int, int]
    image_size: tuple[int, int]
    plane: tuple[int, int]


@contextmanager
def listen_to_crops(pipeline: Any, on_crop: Callable[[Crop], None]) -> Iterator[None]:
    """Call `on_crop` whenever this thread's calls of the pipeline choose a crop in this block."""
    processor = getattr(pipeline, "mask_processor", None)
    original = getattr(processor, "get_crop_region", None)
    if processor is None or original is None:
        yield
        return
    thread, own = threading.get_ident(), vars(processor).get("get_crop_region")

    def get_crop_region(mask_image: Any, width: int, height: int, *args: Any, **kwargs: Any) -> Any:
        box = original(mask_image, width, height, *args, **kwargs)
        if threading.get_ident() == thread:
            on_crop(Crop(tuple(box), (mask_image.height, mask_image.width), (height, width)))
        return box

    processor.get_crop_region = get_crop_region
    try:
        yield
    finally:
        if own is None:
            del processor.get_crop_region
        else:
            processor.get_crop_region = own
