"""Animations of heat maps over the steps of a generation: GIF or APNG.

write_animation(trace.maps[0], image, "hat.gif", "hat")      # of a trace with bins="each"

Each frame shows one step bin over the finished image. All frames share one scale, so their brightness is
comparable.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vxa.attention.sites import SiteSpec
from vxa.errors import ImageError, SettingError
from vxa.io.atomic import atomic_file, check_folder_writable
from vxa.io.images import read_image
from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.selection import TokenSpec, WordSpec
from vxa.pictures.layout import cell as labelled
from vxa.pictures.layout import fitting, framed
from vxa.pictures.picture_spec import PictureSpec, number
from vxa.pictures.shading import overlaid
from vxa.pictures.view import View

__all__ = ["ANIMATIONS", "animation_frames", "check_animation_path", "write_animation"]

ANIMATIONS = (".gif", ".png", ".apng")
_SIDE = 360
_LAST = 5  # duration of the last frame, in frames


def animation_frames(
    maps: AttentionMaps,
    image: str | Path | Image.Image | NDArray[Any],
    words: WordSpec = None,
    tokens: TokenSpec = None,
    sites: SiteSpec = None,
    refine: bool = False,
    **view: Any,
) -> list[Image.Image]:
    """Draw one picture (RGB) for each step bin, all of one size; the settings are those of `View`.

    `refine` refines each map by self-attention, as in `AttentionMaps.heat_map`.

    Raises SettingError for maps of a single step bin, and the errors of `render`.
    """
    bins = maps.each_bin()
    if len(bins) < 2:
        raise SettingError('there is one step to show; trace with bins="each", or several bins')
    settings = View(**view)
    chosen = (words, tokens, sites, None, settings)
    specs = [PictureSpec(each, read_image(image), *chosen, refine=refine) for each in bins]
    heats = [spec.heat() for spec in specs]
    size = fitting(maps.image_size, _SIDE)
    values = np.stack([settings.values(heat, size) for heat in heats])
    shades, _, _ = settings.normalize_values(values)
    subject = specs[0].subject(heats[0])
    return [
        framed(
            labelled(
                f"{subject} · {spec.maps.steps[0].label}",
                number(float(value.max())),
                overlaid(spec.scaled(size), shade, settings.colormap, settings.opacity),
            ),
            8,
        )
        for spec, value, shade in zip(specs, values, shades, strict=True)
    ]


def check_animation_path(path: str | Path) -> Path:
    """Return the path if an animation can be written there. Raises ImageError otherwise."""
    path = Path(path)
    if path.suffix.lower() not in ANIMATIONS:
        raise ImageError(f"cannot animate to {str(path)!r}: end the file name in {', '.join(ANIMATIONS)}")
    if not path.parent.is_dir():
        raise ImageError(f"cannot write {str(path)!r}: there is no folder {str(path.parent)!r}; create it")
    try:
        check_folder_writable(path.parent)
    except OSError as error:
        raise ImageError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
    return path


def write_animation(
    maps: AttentionMaps,
    image: str | Path | Image.Image | NDArray[Any],
    path: str | Path,
    words: WordSpec = None,
    tokens: TokenSpec = None,
    sites: SiteSpec = None,
    *,
    milliseconds: int = 200,
    refine: bool = False,
    **view: Any,
) -> Path:
    """Write a looping GIF or APNG with a frame for each step bin, atomically, and return its path.

    Raises the errors of `animation_frames` and `check_animation_path`, and ImageError for a path that cannot
    be written.
    """
    path = check_animation_path(path)
    first, *others = animation_frames(maps, image, words, tokens, sites, refine, **view)
    durations = [milliseconds] * len(others) + [_LAST * milliseconds]
    kind = "GIF" if path.suffix.lower() == ".gif" else "PNG"
    try:
        with atomic_file(path) as file:
            first.save(file, kind, save_all=True, append_images=others, duration=durations, loop=0)
    except OSError as error:
        raise ImageError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
    return path
