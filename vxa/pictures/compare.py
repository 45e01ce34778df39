"""Two runs side by side: with and without a LoRA, of two prompts, of two seeds, and their signed difference.

    compare(first.maps[0], second.maps[0], "first.png", "second.png", "hat").save("apart.png")

For the numbers alone, subtract: `first.heat_map("hat") - second.heat_map("hat")` is a SignedMap.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vxa.attention.sites import SiteSpec
from vxa.io.images import read_image
from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.selection import HeadSpec, TokenSpec, WordSpec
from vxa.pictures.difference import compared
from vxa.pictures.picture_spec import PictureSpec
from vxa.pictures.view import View

__all__ = ["compare"]

_GREY = 128
ImageSource = str | Path | Image.Image | NDArray[np.uint8] | None


def compare(
    first: AttentionMaps,
    second: AttentionMaps,
    first_image: ImageSource = None,
    second_image: ImageSource = None,
    words: WordSpec = None,
    tokens: TokenSpec = None,
    sites: SiteSpec = None,
    heads: HeadSpec = None,
    *,
    against: WordSpec = None,
    refine: bool = False,
    **view: Any,
) -> Image.Image:
    """The picture (RGB) of both runs' maps on one scale, and of the first minus the second.

    Args:
        first, second: the maps of two runs, their images of one size.
        first_image, second_image: those images; None is a grey plane.
        words, tokens, sites, heads: what is asked of both, as in `AttentionMaps.heat_map`.
        against: words to ask the second run instead, as where a prompt's word was swapped.
        refine: gather both through their self-attention, as in `AttentionMaps.heat_map`.
        view: settings of `View`.

    Raises:
        SettingError: the images are of two sizes, or a setting is out of range.
        ImageError: an image cannot be read, or is not of its maps' size.
        WordError, TokenIndexError, SiteError, HeadError: as `heat_map`.
    """
    settings = View(**view)
    asked = PictureSpec(
        first, _image(first, first_image), words, tokens, sites, heads, settings, refine=refine
    )
    instead = words if against is None else against
    other = replace(asked, maps=second, image=_image(second, second_image), words=instead)
    return compared(asked, other, ("A: ", "B: "))


def _image(maps: AttentionMaps, image: ImageSource) -> Image.Image:
    if image is not None:
        return read_image(image)
    return Image.new("RGB", (maps.image_size[1], maps.image_size[0]), (_GREY,) * 3)
