"""Pixel operations of rendering. Maps here are float arrays [height, width]."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from vxa.errors import SettingError
from vxa.pictures.colormaps import coloured

__all__ = ["NORMALIZATIONS", "Normalization", "grey", "masked", "normalized", "outlined", "overlaid"]

Array = np.ndarray[Any, np.dtype[np.float32]]
Normalization = Literal["max", "minmax", "absolute"]
NORMALIZATIONS: tuple[str, ...] = get_args(Normalization)

_LINE = (255, 214, 10)
_HALO = (16, 18, 27)


def normalized(values: Array, how: str = "max") -> tuple[Array, float, float]:
    """Scale the map into [0, 1] for display, and return it with the values that 0 and 1 stand for.

    "max" divides by the largest value, so that black is no attention. "minmax" stretches the map's own range.
    "absolute" keeps probabilities, comparable across words and images. A map that is zero everywhere (or, for
    "minmax", constant) becomes zero. Raises SettingError for an unknown `how`.
    """
    values = np.asarray(values, np.float32)
    if how not in NORMALIZATIONS:
        raise SettingError(f"there is no normalization {how!r}; choose one of {', '.join(NORMALIZATIONS)}")
    low = float(values.min()) if how == "minmax" else 0.0
    high = 1.0 if how == "absolute" else float(values.max())
    if not high > low:
        return np.zeros_like(values), low, high
    shade = values - np.float32(low)  # one copy, then in place: a map of 48 million pixels takes 192 MB
    shade /= np.float32(high - low)
    return np.clip(shade, 0.0, 1.0, out=shade), low, high


def grey(shade: Array) -> Image.Image:
    """Draw a map in [0, 1] as a grey RGB picture."""
    return Image.merge("RGB", [_level(shade)] * 3)


def masked(image: Image.Image, shade: Array) -> Image.Image:
    """Multiply the image by the map in [0, 1]: areas without attention become dark."""
    return Image.composite(image, Image.new("RGB", image.size), _level(shade))


def overlaid(
    image: Image.Image, shade: Array, colormap: str, opacity: float, weight: Array | None = None
) -> Image.Image:
    """Blend the map's colours over the image, at `opacity` where the weight is 1 and less where it is lower.

    The weight, in [0, 1], is the map itself by default. The image's colours are desaturated so that they are
    not mistaken for the map's. Opacity 0 shows only the image, 1 only the map.
    """
    alpha = Image.fromarray(_alpha_table(opacity)[_levels(shade if weight is None else weight)])
    faded = ImageEnhance.Color(image).enhance(1.0 - 0.8 * opacity)
    return Image.composite(Image.fromarray(coloured(shade, colormap)), faded, alpha)


@lru_cache(maxsize=16)
def _alpha_table(opacity: float) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the alpha of the map's colours, uint8 [256], for each level of the weight."""
    strengths = [round(255.0 * opacity ** (5.0 - 4.0 * step / 255.0)) for step in range(256)]
    return np.array(strengths, np.uint8)


def outlined(image: Image.Image, mask: np.ndarray[Any, np.dtype[np.bool_]], width: float) -> Image.Image:
    """Draw a line `width` pixels wide around the mask, and dim the image outside it."""
    inside = Image.fromarray(np.asarray(mask, np.uint8) * np.uint8(255))
    dimmed = ImageEnhance.Brightness(ImageEnhance.Color(image).enhance(0.45)).enhance(0.6)
    picture = Image.composite(image, dimmed, inside.filter(ImageFilter.GaussianBlur(0.7)))
    distance = _edge_distance(inside, radius=width / 2 + 3)
    for colour, half in ((_HALO, width / 2 + 1.5), (_LINE, width / 2)):
        picture.paste(colour, (0, 0), _level(np.clip(half + 0.5 - distance, 0.0, 1.0)))
    return picture


def _edge_distance(inside: Image.Image, radius: float) -> Array:
    """Return the distance in pixels to the nearest edge of the mask, accurate up to about `radius`.

    Blurring a straight edge by σ gives a ramp of slope 1 / (σ √2π) that passes one half at the edge, so the
    blurred mask gives the distance. It also rounds single-pixel corners.
    """
    blurred = np.asarray(inside.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255.0
    return np.asarray(np.abs(blurred - 0.5) * (radius * math.sqrt(2.0 * math.pi)), np.float32)


def _level(shade: Array) -> Image.Image:
    return Image.fromarray(_levels(shade))


def _levels(shade: Array) -> np.ndarray[Any, np.dtype[np.uint8]]:
    level = np.multiply(shade, 255.0, dtype=np.float32)
    level += 0.5
    return level.astype(np.uint8)
