"""Modes of a picture: their names, each with what it shows."""

from __future__ import annotations

__all__ = ["MODES"]

MODES = {
    "masked": "the image times the map, the original extension's look",
    "grey": "the map alone",
    "overlay": "the map's colours over the image, with a colour bar",
    "contour": "the outline of the map's mask on the image",
    "words": "one overlay for each word",
    "sites": "one overlay for each attention layer (site)",
    "matrix": "words by attention layers (sites)",
    "difference": "two selections, and the first minus the second",
    "timesteps": "one row, an overlay for each of several passes",
}
"""masked and grey have the image's own size; the others are figures."""
