"""Pictures of two selections side by side, and their signed difference.

render(maps, "figure.png", "difference", "hat", against="neck")

The two maps share one scale. The difference has its own scale, symmetric around zero: orange where the first
selection is higher, blue where the second is higher.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from vxa.errors import SettingError
from vxa.pictures.colormaps import DIVERGING
from vxa.pictures.image_regions import mark_image_region
from vxa.pictures.layout import GAP, SMALL, above, beside, cell, colour_bar, figure, fitting
from vxa.pictures.picture_spec import PictureSpec, number
from vxa.pictures.shading import Array, overlaid
from vxa.pictures.view import View

__all__ = ["difference", "draw_comparison", "signed_shade"]

_SIDE, _WIDE_SIDE = 260, 640  # longer side of a picture in pixels: in a row, in a column


def difference(spec: PictureSpec) -> Image.Image:
    """Draw the first selection, the second, and the first minus the second, each over the image."""
    return draw_comparison(spec, spec.for_comparison())


def draw_comparison(spec: PictureSpec, other: PictureSpec, labels: tuple[str, str] = ("", "")) -> Image.Image:
    """Draw two heat maps, each over its image, and the first minus the second over the first image.

    `labels` are prefixes of the two titles. Raises SettingError if the images differ in size.
    """
    if spec.maps.image_size != other.maps.image_size:
        sizes = ["{}×{}".format(*each.maps.image_size) for each in (spec, other)]
        raise SettingError(
            f"the images are {sizes[0]} and {sizes[1]} (height×width); compare two of one size"
        )
    view = spec.view
    heats = [spec.heat(), other.heat()]
    names = [
        f"{label}{each.subject(heat)}" for label, each, heat in zip(labels, (spec, other), heats, strict=True)
    ]
    in_row = spec.image.width <= 1.6 * spec.image.height
    size = fitting(spec.maps.image_size, _SIDE if in_row else _WIDE_SIDE)
    values = np.stack([view.values(heat, size) for heat in heats])
    shades, low, high = view.normalize_values(values)
    bar = colour_bar(view.colormap, size[0], (number(low), number(high)), SMALL)
    pictures = [
        _cell(each, name, value, shade)
        for each, name, value, shade in zip((spec, other), names, values, shades, strict=True)
    ]
    pictures[1] = _with_bar(pictures[1], bar)
    pictures.append(_signed_cell(spec, values, " - ".join(names)))
    body = beside(pictures, 2 * GAP) if in_row else above(pictures, GAP)
    return figure(body, spec.maps.provenance.prompt, spec.place(heats[0]))


def signed_shade(values: Array, normalize: str = View.normalize) -> tuple[Array, float]:
    """Return the first map minus the second as a shade, and the absolute value that 0 and 1 stand for.

    `values` is float32 [2, height, width]. The shade is float32 [height, width] in [0, 1], where 0.5 is no
    difference. The scale ends at the largest absolute difference, or at 1 if `normalize` is "absolute".
    """
    delta = values[0] - values[1]
    reach = 1.0 if normalize == "absolute" else float(np.abs(delta).max())
    return np.asarray(0.5 + 0.5 * delta / (reach or 1.0), np.float32), reach


def _cell(spec: PictureSpec, name: str, values: Array, shade: Array) -> Image.Image:
    view = spec.view
    picture = overlaid(spec.scaled(_size(values)), shade, view.colormap, view.opacity)
    return cell(name, number(float(values.max())), mark_image_region(picture))


def _signed_cell(spec: PictureSpec, values: Array, name: str) -> Image.Image:
    shade, reach = signed_shade(values, spec.view.normalize)
    strength = np.abs(2 * shade - 1)
    # Grey, because the image's own colours would look like differences.
    grey = spec.scaled(_size(shade)).convert("L").convert("RGB")
    picture = mark_image_region(overlaid(grey, shade, DIVERGING, spec.view.opacity, strength))
    delta = values[0] - values[1]
    labelled = cell(name, f"{number(float(delta.min()))} … {number(float(delta.max()))}", picture)
    ends = (f"-{number(reach)}", "0", f"+{number(reach)}") if reach else ("0", "0", "0")
    return _with_bar(labelled, colour_bar(DIVERGING, picture.height, ends, SMALL))


def _size(values: Array) -> tuple[int, int]:
    return values.shape[0], values.shape[1]


def _with_bar(labelled: Image.Image, bar: Image.Image) -> Image.Image:
    """Add a colour bar beside the picture of a cell, aligned with it below the label."""
    return beside([labelled, bar], SMALL // 2, align="bottom")
