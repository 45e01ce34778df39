"""Things in papercut's pictures, and what lies outside them: what the parts of the study share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from vxa.papercut.nouns import NOUNS
from vxa.pictures.layout import above, beside, text
from vxa.study.metrics import Mask

__all__ = ["FLOOR", "background_error", "draw_strip", "grow"]

FLOOR = [noun.name for noun in NOUNS.values() if noun.place == "floor" and len(noun.colours) > 1]
"""Nouns of things that stand by themselves, in several colours."""

_BORDER = 8  # pixels around a thing that are not counted as background


def background_error(source: Image.Image, edited: Image.Image, things: Mask) -> float | None:
    """Return the mean absolute difference, of 255, outside the things and a border around them."""
    outside = ~grow(things)
    if not outside.any():
        return None
    first, second = (np.asarray(each.convert("RGB"), np.float32) for each in (source, edited))
    return float(np.abs(first - second)[outside].mean())


def grow(mask: Mask) -> Mask:
    """Return the mask grown by `_BORDER` pixels."""
    values = torch.from_numpy(mask)[None, None].float()
    return np.asarray(functional.max_pool2d(values, 2 * _BORDER + 1, 1, _BORDER)[0, 0].numpy() > 0)


def draw_strip(made: Mapping[str, Sequence[Image.Image]]) -> Image.Image:
    """Return the pictures, a row for each condition."""
    rows = []
    for name, pictures in made.items():
        small = [picture.resize((160, 160 * picture.height // picture.width)) for picture in pictures]
        rows.append(above([text(name, 14), beside(small, 4)], 4))
    return above(rows, 10)
