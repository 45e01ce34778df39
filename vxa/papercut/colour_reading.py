"""The colour of a thing in a picture, read from its pixels.

A thing is more than its colour: a bed has wood and a pillow, the sun a light disc. So the pixels are
explained by all sheets of the noun's shape. Each colour of the palette gives these sheets other tones; the
colour under which the pixels are the likeliest is the thing's own.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .drawing import FIXED, contrast, shade, tones_of
from .nouns import COLOURS, NOUNS, Colour, Noun
from .shapes import Shape

__all__ = ["colour_of"]

BRIGHTNESS = (0.86, 0.93, 1.0, 1.06)
"""Brightnesses that are tried; those of scenes lie between the first and the last."""

_SPREAD = 20.0  # σ of a channel around a tone, of 255: grain, and what the autoencoder adds
_STRAY = 1e-3  # likelihood, of a tone's peak, of any pixel: a neighbour's, or an edge's
_MARKS = 0.4  # share of a patterned sheet that its marks may cover
_SIDE = 64  # side of the drawing in which a shape's sheets are counted


def colour_of(image: Image.Image, where: NDArray[np.bool_], noun: str) -> str:
    """Return the palette colour that explains best the pixels of a noun's thing.

    The pixels [h, w] of `where` are a mixture of Gaussians: one for each tone of the noun's sheets, weighted
    by the sheet's visible area, and a constant for stray ones. Returned is the colour of the highest
    likelihood, over all brightnesses that a scene can have.
    """
    pixels = np.asarray(image.convert("RGB"), np.float32)[where]
    likelihood = {name: _likelihood(pixels, NOUNS[noun], colour) for name, colour in COLOURS.items()}
    return max(likelihood, key=lambda name: likelihood[name])


def _likelihood(pixels: NDArray[np.float32], noun: Noun, colour: Colour) -> float:
    """Return the mean log-likelihood of the pixels [n, 3] for a thing of this colour."""
    tones, weights = _mixture(noun.name, colour)
    return max(_at_brightness(pixels, np.minimum(tones * factor, 255), weights) for factor in BRIGHTNESS)


def _at_brightness(
    pixels: NDArray[np.float32], tones: NDArray[np.float32], weights: NDArray[np.float32]
) -> float:
    distance = ((pixels[:, None] - tones) ** 2).sum(-1)
    return float(np.log((weights * np.exp(-distance / (2 * _SPREAD**2))).sum(1) + _STRAY).mean())


@cache
def _mixture(noun: str, colour: Colour) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the tones [n, 3] of a noun of this colour, with their shares [n]."""
    paints = tones_of(colour) | {"mark": contrast(colour), "edge": shade(colour, 0.5)}
    shares = _shares(noun)
    tones = np.array([paints[tone] for tone in shares], np.float32)
    return tones, np.array(list(shares.values()), np.float32)


@cache
def _shares(noun: str) -> dict[str, float]:
    """Return the visible share of each tone in the noun's shapes, their marks and outline included."""
    shapes = [NOUNS[noun].shape, *(shape for _, _, shape in NOUNS[noun].poses)]
    counted = [_visible(shape) for shape in shapes if shape] or [{"main": 1.0}]
    shares = {
        tone: sum(each.get(tone, 0.0) for each in counted) / len(counted)
        for tone in ("main", "shade", "light", *FIXED)
    }
    marks = _MARKS / 2 * shares["main"] if NOUNS[noun].patterned else 0.0
    shares |= {"main": shares["main"] - marks, "mark": marks, "edge": 0.05}
    return {tone: share for tone, share in shares.items() if share > 0}


def _visible(shape: Shape) -> dict[str, float]:
    """Return the share of a shape's area in which each tone is on top."""
    numbers = Image.new("L", (_SIDE, _SIDE))
    pen = ImageDraw.Draw(numbers)
    for number, cut in enumerate(shape, 1):
        pen.polygon([(x * _SIDE, y * _SIDE) for x, y in cut.outline], fill=number)
    counts = np.bincount(np.asarray(numbers).ravel(), minlength=len(shape) + 1)[1:]
    shares: dict[str, float] = {}
    for cut, count in zip(shape, counts, strict=True):
        shares[cut.tone] = shares.get(cut.tone, 0.0) + float(count / counts.sum())
    return shares
