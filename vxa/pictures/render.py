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
from vxa.pictures.image_regions import mark_image_region
from vxa.pictures.layout import above, beside, colour_bar, framed, heading
from vxa.pictures.modes import MODES
from vxa.pictures.picture_spec import PictureSpec, number
from vxa.pictures.shading import grey, masked, outlined
from vxa.pictures.view import View

__all__ = ["check_mode", "overlay_figure", "render"]

_SMALLEST, _LARGEST = 512, 1536  # limits of a figure's picture: pixels of its longer side
_NARROWEST = 240  # minimum width of a caption in pixels


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
    """Draw a picture (RGB) of the chosen words or tokens at the chosen sites and heads, in one of MODES.

    The selection is that of `AttentionMaps.heat_map`. Without a selection, "words" and "matrix" show every
    word of the prompt, and "sites" and "matrix" every recorded site. "difference" compares the selection with
    the words of `against` or the tokens of `against_tokens`; blank is every word there too. "timesteps" draws
    the maps of several passes with the same image and prompt. `refine` refines each map by self-attention, as
    in `heat_map`. The other settings are those of `View`.

    Raises:
        SettingError: the mode is unknown, a setting is out of range, `against` is given in a mode other than
            "difference", or several passes in a mode other than "timesteps".
        ImageError: the image cannot be read, or does not have the maps' image size.
        WordError, TokenIndexError, SiteError, HeadError: as in `heat_map`.
    """
    check_mode(mode, against, against_tokens)
    passes = (maps,) if isinstance(maps, AttentionMaps) else tuple(maps)
    if not passes or (len(passes) > 1 and mode != "timesteps"):
        raise SettingError(f"mode {mode!r} draws one pass, not {len(passes)}; mode timesteps draws several")
    view = View(normalize, threshold, opacity, colormap, resample)
    selection = (words, tokens, sites, heads, view, against, against_tokens)
    return _DRAW[mode](PictureSpec(passes[0], read_image(image), *selection, passes, refine))


def check_mode(mode: str, against: WordSpec = None, against_tokens: TokenSpec = None) -> None:
    """Raise SettingError for an unknown mode, or if `against` is given in a mode other than difference."""
    if mode not in MODES:
        raise SettingError(f"there is no mode {mode!r}; choose one of {', '.join(MODES)}")
    if mode != "difference" and not (against is None and against_tokens is None):
        raise SettingError(f"mode {mode!r} compares nothing; leave against out, or choose mode difference")


def _masked(spec: PictureSpec) -> Image.Image:
    shade = spec.view.shade(spec.heat(), spec.maps.image_size)[0]
    return mark_image_region(masked(spec.image, shade))


def _grey(spec: PictureSpec) -> Image.Image:
    return mark_image_region(grey(spec.view.shade(spec.heat(), spec.maps.image_size)[0]))


def _overlay(spec: PictureSpec) -> Image.Image:
    heat = spec.heat()
    return overlay_figure(spec, heat, spec.subject(heat), spec.place(heat))


def overlay_figure(spec: PictureSpec, heat: HeatMap, left: str, right: str) -> Image.Image:
    """Draw the map over the image with its colour bar, under one line of text."""
    size = _figure_size(spec.image_size)
    picture, low, high = spec.overlaid(heat, size)
    letter = _letter(size)
    bar = colour_bar(spec.view.colormap, picture.height, (number(low), number(high)), letter)
    return _add_caption(beside([mark_image_region(picture), bar], gap=letter), left, right, letter)


def _contour(spec: PictureSpec) -> Image.Image:
    heat, view, size = spec.heat(), spec.view, _figure_size(spec.maps.image_size)
    mask = heat.mask(*size, threshold=view.threshold)
    picture = mark_image_region(outlined(spec.scaled(size), mask, max(size) / 200))
    peak = number(float(heat.upsampled(*size).max()))
    place = f"threshold {view.cut(heat):g} of max {peak} · {spec.place(heat)}"
    return _add_caption(picture, spec.subject(heat), place, _letter(size))


def _add_caption(picture: Image.Image, left: str, right: str, letter: int) -> Image.Image:
    """Draw the picture under one line of text, with a margin."""
    line = heading(left, right, max(picture.width, _NARROWEST), (letter, round(letter * 0.85)), gap=letter)
    return framed(above([line, picture], gap=letter // 2), margin=letter)


def _figure_size(image_size: tuple[int, int]) -> tuple[int, int]:
    """Return the (height, width) of the image in a figure: small images are enlarged, huge ones reduced."""
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
