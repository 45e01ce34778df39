"""Comparison of two runs, such as with and without a LoRA, of two prompts or of two seeds.

    compare(first.maps[0], second.maps[0], "first.png", "second.png", "hat").save("apart.png")

For the values without a picture, subtract: `first.heat_map("hat") - second.heat_map("hat")` is a SignedMap.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PIL import Image

from vxa.attention.sites import SiteSpec
from vxa.io.images import ImageSource, read_image
from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.selection import HeadSpec, TokenSpec, WordSpec
from vxa.pictures.difference import draw_comparison
from vxa.pictures.picture_spec import PictureSpec
from vxa.pictures.view import View

__all__ = ["compare"]

_GREY = 128


def compare(
    first: AttentionMaps,
    second: AttentionMaps,
    first_image: ImageSource | None = None,
    second_image: ImageSource | None = None,
    words: WordSpec = None,
    tokens: TokenSpec = None,
    sites: SiteSpec = None,
    heads: HeadSpec = None,
    *,
    against: WordSpec = None,
    refine: bool = False,
    **view: Any,
) -> Image.Image:
    """Draw (RGB) the maps of two runs on one scale, and the first minus the second.

    Args:
        first, second: the maps of the two runs, for images of the same size.
        first_image, second_image: the images; None is a grey area.
        words, tokens, sites, heads: the selection in both runs, as in `AttentionMaps.heat_map`.
        against: the words to select in the second run instead, for example if the prompt's word changed.
        refine: refine both maps by self-attention, as in `AttentionMaps.heat_map`.
        view: settings of `View`.

    Raises:
        SettingError: the images differ in size, or a setting is out of range.
        ImageError: an image cannot be read, or does not have the size of its maps.
        WordError, TokenIndexError, SiteError, HeadError: as in `AttentionMaps.heat_map`.
    """
    settings = View(**view)
    spec = PictureSpec(
        first, _image(first, first_image), words, tokens, sites, heads, settings, refine=refine
    )
    other_words = words if against is None else against
    other = replace(spec, maps=second, image=_image(second, second_image), words=other_words)
    return draw_comparison(spec, other, ("A: ", "B: "))


def _image(maps: AttentionMaps, image: ImageSource | None) -> Image.Image:
    if image is not None:
        return read_image(image)
    return Image.new("RGB", (maps.image_size[1], maps.image_size[0]), (_GREY,) * 3)
