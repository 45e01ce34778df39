"""Reading images of common formats as upright RGB, and writing images atomically."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from vxa.errors import ImageError
from vxa.io.atomic import atomic_file, check_folder_writable
from vxa.io.heif import prepare_reader
from vxa.io.profiles import in_srgb

__all__ = [
    "MAX_PIXELS",
    "ImageSource",
    "check_image_path",
    "image_name",
    "is_image_path",
    "opened_image",
    "read_image",
    "save_image",
]

ImageSource = str | Path | Image.Image | NDArray[Any]
"""Image, or the path of one, that `read_image` takes."""

MAX_PIXELS = 80_000_000
"""Limit on the pixels of an image, checked before decoding (8000 × 6000 is 48 million)."""

# Raster decoders only: Pillow would pass PostScript files to an interpreter.
_READ_FORMATS = (
    "PNG",
    "JPEG",
    "MPO",
    "WEBP",
    "GIF",
    "BMP",
    "TIFF",
    "PPM",
    "TGA",
    "ICO",
    "AVIF",
    "HEIF",
    "JPEG2000",
)
_READABLE = "a PNG, JPEG, WebP, GIF, TIFF or BMP file"

_SAVE_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"lossless": True}),
    ".tif": ("TIFF", {"compression": "tiff_deflate"}),
    ".tiff": ("TIFF", {"compression": "tiff_deflate"}),
    ".bmp": ("BMP", {}),
}

# Exceptions that Pillow's decoders raise on damaged files, across formats and versions.
_DECODER_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError, OverflowError,
    struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip


def read_image(source: str | Path | Image.Image | np.ndarray[Any, Any]) -> Image.Image:
    """Read a source as an upright sRGB image.

    The EXIF orientation and an ICC profile are applied, transparency is composited on white, and only the
    first frame is read. An array is [height, width], [height, width, 1], [height, width, 3] or
    [height, width, 4], of uint8, uint16, bool, or float in [0, 1]. 16-bit grey is scaled by 1/257. The image
    keeps the name of its file (`image_name`).

    Raises ImageError for a source that is missing, not an image, damaged, empty, or has more than MAX_PIXELS
    pixels.
    """
    if isinstance(source, np.ndarray):
        return _flattened(_from_array(source), "the array")
    if isinstance(source, Image.Image):
        return _flattened(source, "the image")
    if isinstance(source, (str, Path)):
        name = repr(str(source))
        with opened_image(source, name) as image:
            return _flattened(image, name)
    raise ImageError(
        f"cannot read an image from {type(source).__name__}: "
        f"give a path to {_READABLE}, a PIL image or a numpy array"
    )


def image_name(source: object) -> str | None:
    """Return the name of an image's file, without its folder; None if the image did not come from a file."""
    path = source if isinstance(source, (str, Path)) else getattr(source, "filename", None)
    return Path(path).name or None if isinstance(path, (str, Path)) else None


def is_image_path(path: str | Path) -> bool:
    """Return whether the path ends as an image that can be written does."""
    return Path(path).suffix.lower() in _SAVE_FORMATS


def check_image_path(path: str | Path) -> Path:
    """Return the path if an image can be written there; call it before the work that makes the image.

    Raises ImageError for an unknown suffix, a missing folder, or a path that is a folder.
    """
    path = Path(path)
    if path == Path():
        raise ImageError("no output file was named; give one such as out.png")
    if path.suffix.lower() not in _SAVE_FORMATS:
        known = ", ".join(_SAVE_FORMATS)
        raise ImageError(
            f"cannot write image {str(path)!r}: its suffix is {path.suffix!r}; end it in one of {known}"
        )
    if os.path.isdir(path):
        raise ImageError(f"cannot write image {str(path)!r}: it is a folder; add a file name such as out.png")
    if not os.path.isdir(path.parent):
        raise ImageError(
            f"cannot write image {str(path)!r}: there is no folder {str(path.parent)!r}; "
            "create it or choose another"
        )
    try:
        check_folder_writable(path.parent)
    except OSError as error:
        raise ImageError(f"cannot write image {str(path)!r}: {error.strerror or error}") from error
    return path


def save_image(image: Image.Image, path: str | Path) -> Path:
    """Write the image atomically, in the format of the path's suffix, and return the path.

    All formats but JPEG are lossless.

    Raises ImageError for an unknown suffix or a path that cannot be written.
    """
    path = check_image_path(path)
    form, options = _SAVE_FORMATS[path.suffix.lower()]
    if form == "JPEG" and image.mode not in ("L", "RGB"):
        image = read_image(image)
    try:
        with atomic_file(path) as handle:
            image.save(handle, format=form, **options)
    except (OSError, ValueError, KeyError) as error:
        raise ImageError(
            f"cannot write image {str(path)!r}: {_reason(error)}; choose another place or suffix"
        ) from error
    return path


@contextmanager
def opened_image(path: str | Path, name: str) -> Iterator[Image.Image]:
    """Open an image file without decoding its pixels; `name` is the file's name in an ImageError."""
    if not os.path.isfile(path):
        what = "it is a folder" if os.path.isdir(path) else "there is no such file"
        raise ImageError(f"cannot read image {name}: {what}; give the path of {_READABLE}")
    if os.access(path, os.R_OK) and os.path.getsize(path) == 0:
        raise ImageError(f"cannot read image {name}: the file is empty; give {_READABLE}")
    Image.init()
    prepare_reader(path, name)
    formats = [form for form in _READ_FORMATS if form in Image.OPEN]
    with warnings.catch_warnings():
        # Pillow warns of large images at its own limit; ours is MAX_PIXELS, checked before decoding.
        warnings.simplefilter("ignore")
        try:
            image = Image.open(path, formats=formats)
        except Image.DecompressionBombError as error:
            raise ImageError(f"cannot read image {name}: {_too_large('it has far')}") from error
        except PermissionError as error:
            raise ImageError(f"cannot read image {name}: {_reason(error)}; allow reading it") from error
        except UnidentifiedImageError as error:
            raise ImageError(
                f"cannot read image {name}: it is not an image file; give {_READABLE}"
            ) from error
        except _DECODER_ERRORS as error:
            raise _broken(name, error) from error
    with image:
        yield image


def _flattened(image: Image.Image, name: str) -> Image.Image:
    """Convert an image of any mode to upright RGB; the argument is not changed."""
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageError(f"cannot read {name}: its size is {height}×{width}; give at least 1×1 pixels")
    if width * height > MAX_PIXELS:
        raise ImageError(f"cannot read image {name}: {_too_large(f'{height}×{width} is')}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged EXIF and palettes are read as far as possible
            image.load()
            flat = _opaque(_upright(image), name)
            flat.filename = getattr(image, "filename", "")  # type: ignore[attr-defined]
            return flat
    except ImageError:
        raise
    except _DECODER_ERRORS as error:
        raise _broken(name, error) from error


def _upright(image: Image.Image) -> Image.Image:
    """Return a loaded image turned as its EXIF says; as it is where that is missing or unreadable."""
    if image.format == "TIFF":  # Pillow applies it when loading; before 10.1 it keeps the tag
        return image
    try:
        return ImageOps.exif_transpose(image)
    except _DECODER_ERRORS:
        return image


def _opaque(image: Image.Image, name: str) -> Image.Image:
    """Convert to sRGB, with transparency composited on white."""
    colours, alpha = _without_alpha(image)
    opaque = in_srgb(colours, name)
    if alpha is None:
        return opaque
    opaque.putalpha(alpha)
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), opaque).convert("RGB")


def _without_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return the colours, of mode L, RGB, CMYK or LAB, and the alpha channel if the image has one."""
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bit(image)
    alpha = None
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        plain = image.convert("LA") if image.mode == "La" else image
        rgba = plain.convert("RGBA")
        alpha = rgba.getchannel("A")
        image = plain.getchannel("L") if plain.mode in ("L", "LA") else rgba
    return image if image.mode in ("L", "CMYK", "LAB") else image.convert("RGB"), alpha


def _eight_bit(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Convert wide grey to L and alpha: 16-bit (or mode `I`) times 1/257, float from [0, 1]."""
    values = np.asarray(image)
    transparent = image.info.get("transparency")
    grey = Image.fromarray(_unit_to_byte(values) if image.mode == "F" else _wide_to_byte(values))
    grey.info.update(image.info)
    if not isinstance(transparent, int):
        return grey, None
    return grey, Image.fromarray(np.where(values == transparent, np.uint8(0), np.uint8(255)))


def _from_array(array: np.ndarray[Any, Any]) -> Image.Image:
    """Convert an array to an 8-bit PIL image. Raises ImageError for other shapes and types."""
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4) or 0 in array.shape:
        raise ImageError(
            f"cannot read an image from an array of shape {list(array.shape)}: "
            "give [height, width], or [height, width, channels] with 1, 3 or 4 channels"
        )
    if array.dtype == np.uint16:
        array = _wide_to_byte(array)
    elif array.dtype == np.bool_ or array.dtype.kind == "f":
        array = _unit_to_byte(array)
    elif array.dtype != np.uint8:
        raise ImageError(
            f"cannot read an image from an array of {array.dtype}: "
            "give uint8, uint16, bool, or float in [0, 1]"
        )
    return Image.fromarray(
        np.ascontiguousarray(array[:, :, 0] if channels == 1 and array.ndim == 3 else array)
    )


def _wide_to_byte(values: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    wide = np.clip(values, 0, 65535).astype(np.uint32)
    return np.asarray((wide + 128) // 257, np.uint8)


def _unit_to_byte(values: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    values = values.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if not (low >= 0.0 and high <= 1.0):  # also true of NaN
        raise ImageError(f"cannot read float pixels from {low:g} to {high:g}: scale them into [0, 1]")
    return (values * 255.0 + 0.5).astype(np.uint8)


def _broken(name: str, error: BaseException) -> ImageError:
    return ImageError(
        f"cannot read image {name}: it is truncated or broken ({_reason(error)}); save or download it again"
    )


def _too_large(what: str) -> str:
    return f"{what} more than the {MAX_PIXELS // 1_000_000} million pixels allowed; scale it down first"


def _reason(error: BaseException) -> str:
    """Return the error's text on one line, without the path, which the message already names."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
