"""ICC profiles: pixels of another colour space as the sRGB that models are trained on.

A profile says what an image's numbers mean: in Display P3, which phones write, (0, 255, 0) is a green beyond
that of sRGB. A profile that cannot be used leaves the pixels as they are, as browsers do.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image, ImageCms, features

from vxa.errors import ImageError

__all__ = ["in_srgb"]

_KEY = "icc_profile"
_ROUNDING = 2  # levels of 255 by which the sRGB profiles in circulation differ from each other


def in_srgb(image: Image.Image, name: str) -> Image.Image:
    """Convert an image without alpha, of mode L, RGB, CMYK or LAB, to RGB as its profile says.

    Without a profile, or where the profile is sRGB, does not fit the mode or is broken, the pixels are those
    of `convert("RGB")`. The profile is not kept.

    Raises ImageError if Pillow was built without LittleCMS and there is a profile; `name` is the image's.
    """
    transform = _transform(image, name)
    if transform is None or _changes_nothing(transform, image.mode):
        converted = image.convert("RGB")
    else:
        converted = transform.apply(image)
    converted.info.pop(_KEY, None)  # a saved copy would be converted again
    return converted


def _transform(image: Image.Image, name: str) -> ImageCms.ImageCmsTransform | None:
    """Return the transform from the image's profile to sRGB; None if there is none."""
    embedded, lab = image.info.get(_KEY), image.mode == "LAB"
    if not lab and not (embedded and isinstance(embedded, bytes)):
        return None
    if not features.check("littlecms2"):
        raise ImageError(
            f"cannot read image {name}: it has a colour profile, and this Pillow was built without "
            "LittleCMS; install Pillow from its wheel, or save the image as sRGB"
        )
    try:
        source = ImageCms.createProfile("LAB") if lab else ImageCms.ImageCmsProfile(BytesIO(embedded or b""))
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), image.mode, "RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Return whether the transform is that of an sRGB profile, whatever the profile calls itself."""
    if mode not in ("L", "RGB"):
        return False
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    probe = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    colours = Image.fromarray(probe if mode == "RGB" else np.arange(256, dtype=np.uint8)[None])
    moved = np.asarray(transform.apply(colours), int) - np.asarray(colours.convert("RGB"))
    return int(np.abs(moved).max()) <= _ROUNDING
