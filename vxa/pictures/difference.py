"""Two selections side by side, and their difference with its sign.

render(maps, "figure.png", "difference", "hat", against="neck")

The two maps share one scale, and the difference has a scale of its own, the same on both sides of zero: what
the first selection has more of is orange, what the second has more of is blue.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from vxa.errors import SettingError
from vxa.pictures.colormaps import DIVERGING
from vxa.pictures.image_regions import show_image_region
from vxa.pictures.layout import GAP, SMALL, above, beside, cell, colour_bar, figure, fitting
from vxa.pictures.picture_spec import PictureSpec, number
from vxa.pictures.shading import Array, overlaid
from vxa.pictures.view import View

__all__ = ["compared", "difference", "signed"]

_SIDE, _WIDE_SIDE = 260, 640  # pixels of each picture on its longer side, in a row and in a column


def difference(question: PictureSpec) -> Image.Image:
    """The first selection, the second, and the first minus the second, each over the image."""
    return compared(question, question.compared())


def compared(question: PictureSpec, other: PictureSpec, labels: tuple[str, str] = ("", "")) -> Image.Image:
    """Two questions and the first minus the second, each over its image, the difference over the first's.

    The labels stand before the names of what was asked. Raises SettingError for images of two sizes.
    """
    if question.maps.image_size != other.maps.image_size:
        sizes = ["{}×{}".format(*each.maps.image_size) for each in (question, other)]
        raise SettingError(
            f"the images are {sizes[0]} and {sizes[1]} (height×width); compare two of one size"
        )
    view = question.view
    heats = [question.heat(), other.heat()]
    names = [
        f"{label}{each.subject(heat)}"
        for label, each, heat in zip(labels, (question, other), heats, strict=True)
    ]
    in_row = question.image.width <= 1.6 * question.image.height
    size = fitting(question.maps.image_size, _SIDE if in_row else _WIDE_SIDE)
    values = np.stack([view.values(heat, size) for heat in heats])
    shades, low, high = view.normalize_values(values)
    bar = colour_bar(view.colormap, size[0], (number(low), number(high)), SMALL)
    pictures = [
        _cell(each, name, value, shade)
        for each, name, value, shade in zip((question, other), names, values, shades, strict=True)
    ]
    pictures[1] = _with_bar(pictures[1], bar)
    pictures.append(_signed_cell(question, values, " - ".join(names)))
    body = beside(pictures, 2 * GAP) if in_row else above(pictures, GAP)
    return figure(body, question.maps.provenance.prompt, question.place(heats[0]))


def signed(values: Array, normalize: str = View.normalize) -> tuple[Array, float]:
    """The first of two maps minus the second as a shade, and the size that 0 and 1 stand for.

    `values` is float32 [2, height, width]; the shade is float32 [height, width] in [0, 1], where 0.5 is no
    difference. The scale reaches to the largest difference, under "absolute" to 1.
    """
    apart = values[0] - values[1]
    reach = 1.0 if normalize == "absolute" else float(np.abs(apart).max())
    return np.asarray(0.5 + 0.5 * apart / (reach or 1.0), np.float32), reach


def _cell(question: PictureSpec, name: str, values: Array, shade: Array) -> Image.Image:
    view = question.view
    picture = overlaid(question.scaled(_size(values)), shade, view.colormap, view.opacity)
    return cell(name, number(float(values.max())), show_image_region(picture))


def _signed_cell(question: PictureSpec, values: Array, name: str) -> Image.Image:
    shade, reach = signed(values, question.view.normalize)
    strength = np.abs(2 * shade - 1)
    # In grey, for the image's own colours would look like differences.
    grey = question.scaled(_size(shade)).convert("L").convert("RGB")
    picture = show_image_region(overlaid(grey, shade, DIVERGING, question.view.opacity, strength))
    apart = values[0] - values[1]
    labelled = cell(name, f"{number(float(apart.min()))} … {number(float(apart.max()))}", picture)
    ends = (f"-{number(reach)}", "0", f"+{number(reach)}") if reach else ("0", "0", "0")
    return _with_bar(labelled, colour_bar(DIVERGING, picture.height, ends, SMALL))


def _size(values: Array) -> tuple[int, int]:
    return values.shape[0], values.shape[1]


def _with_bar(labelled: Image.Image, bar: Image.Image) -> Image.Image:
    """The cell with a colour bar beside its picture, which its label stands above."""
    return beside([labelled, bar], SMALL // 2, align="bottom")
