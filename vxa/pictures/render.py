"""Pictures of attention maps.

render(maps, "figure.png", "overlay", "hat").save("hat.png")

`vxa.pictures.modes` names the modes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from vxa.attention.sites import SiteSpec
from vxa.errors import SettingError
from vxa.io.images import read_image
from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.heat_map import HeatMap, Resample
from vxa.maps.selection import HeadSpec, TokenSpec, WordSpec
from vxa.pictures.difference import difference
from vxa.pictures.grids import matrix, sites_grid, timesteps_strip, words_grid
from vxa.pictures.image_regions import show_image_region
from vxa.pictures.layout import above, beside, colour_bar, framed, heading
from vxa.pictures.modes import MODES
from vxa.pictures.picture_spec import PictureSpec, number
from vxa.pictures.shading import grey, masked, outlined
from vxa.pictures.view import View

__all__ = ["check_mode", "overlay_figure", "render"]

_SMALLEST, _LARGEST = 512, 1536  # pixels of a figure's picture on its longer side
_NARROWEST = 240  # pixels of a caption, however narrow the image


def render(
    maps: AttentionMaps | Sequence[AttentionMaps],
    image: str | Path | Image.Image | NDArray[Any],
    mode: str = "masked",
    words: WordSpec = None,
    tokens: TokenSpec = None,
    sites: SiteSpec = None,
    heads: HeadSpec = None,
    *,
    against: WordSpec = None,
    against_tokens: TokenSpec = None,
    normalize: str = View.normalize,
    threshold: float | None = View.threshold,
    opacity: float = View.opacity,
    colormap: str = View.colormap,
    resample: Resample = View.resample,
    refine: bool = False,
) -> Image.Image:
    """The picture (RGB) of the chosen words or tokens at the chosen sites and heads, in one of MODES.

    The selection is that of `AttentionMaps.heat_map`; blank, "words" and "matrix" show every word of the
    prompt, "sites" and "matrix" every recorded site. "difference" compares the selection with the words or
    tokens of `against` or `against_tokens`, blank being every word there too. "timesteps" draws the maps of
    several passes over the same image and prompt. `refine` gathers every map through self-attention, as
    `heat_map` does. The settings are those of `View`.

    Raises SettingError for an unknown mode, a setting out of range, and `against` or several passes in
    another mode than theirs, ImageError for an image that cannot be read or is not of the maps' size, and
    what `heat_map` raises for the selection.
    """
    check_mode(mode, against, against_tokens)
    passes = (maps,) if isinstance(maps, AttentionMaps) else tuple(maps)
    if not passes or (len(passes) > 1 and mode != "timesteps"):
        raise SettingError(f"mode {mode!r} draws one pass, not {len(passes)}; mode timesteps draws several")
    view = View(normalize, threshold, opacity, colormap, resample)
    asked = (words, tokens, sites, heads, view, against, against_tokens)
    return _DRAW[mode](PictureSpec(passes[0], read_image(image), *asked, passes, refine))


def check_mode(mode: str, against: WordSpec = None, against_tokens: TokenSpec = None) -> None:
    """Raise SettingError unless `mode` is one of MODES, and draws what it is told to compare with."""
    if mode not in MODES:
        raise SettingError(f"there is no mode {mode!r}; choose one of {', '.join(MODES)}")
    if mode != "difference" and not (against is None and against_tokens is None):
        raise SettingError(f"mode {mode!r} compares nothing; leave against out, or choose mode difference")


def _masked(question: PictureSpec) -> Image.Image:
    shade = question.view.shade(question.heat(), question.maps.image_size)[0]
    return show_image_region(masked(question.image, shade))


def _grey(question: PictureSpec) -> Image.Image:
    return show_image_region(grey(question.view.shade(question.heat(), question.maps.image_size)[0]))


def _overlay(question: PictureSpec) -> Image.Image:
    heat = question.heat()
    return overlay_figure(question, heat, question.subject(heat), question.place(heat))


def overlay_figure(question: PictureSpec, heat: HeatMap, left: str, right: str) -> Image.Image:
    """The map over the question's image with its colour bar, under one line of text."""
    size = _figure_size(question.image_size)
    picture, low, high = question.overlaid(heat, size)
    letter = _letter(size)
    bar = colour_bar(question.view.colormap, picture.height, (number(low), number(high)), letter)
    return _captioned(beside([show_image_region(picture), bar], gap=letter), left, right, letter)


def _contour(question: PictureSpec) -> Image.Image:
    heat, view, size = question.heat(), question.view, _figure_size(question.maps.image_size)
    mask = heat.mask(*size, threshold=view.threshold)
    picture = show_image_region(outlined(question.scaled(size), mask, max(size) / 200))
    peak = number(float(heat.upsampled(*size).max()))
    place = f"threshold {view.cut(heat):g} of max {peak} · {question.place(heat)}"
    return _captioned(picture, question.subject(heat), place, _letter(size))


def _captioned(picture: Image.Image, left: str, right: str, letter: int) -> Image.Image:
    """The picture under one line of text, in a margin."""
    line = heading(left, right, max(picture.width, _NARROWEST), (letter, round(letter * 0.85)), gap=letter)
    return framed(above([line, picture], gap=letter // 2), margin=letter)


def _figure_size(image_size: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) at which a figure shows the image: small ones larger, huge ones smaller."""
    height, width = image_size
    longer = max(height, width)
    scale = min(max(longer, _SMALLEST), _LARGEST) / longer
    return max(1, round(height * scale)), max(1, round(width * scale))


def _letter(size: tuple[int, int]) -> int:
    return max(18, max(size) // 36)


_DRAW: dict[str, Callable[[PictureSpec], Image.Image]] = {
    "masked": _masked,
    "grey": _grey,
    "overlay": _overlay,
    "contour": _contour,
    "words": words_grid,
    "sites": sites_grid,
    "matrix": matrix,
    "difference": difference,
    "timesteps": timesteps_strip,
}
