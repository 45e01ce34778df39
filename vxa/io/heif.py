"""HEIC, HEIF and AVIF files: known by their first bytes, and read where an installed library can."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from vxa.errors import ImageError

__all__ = ["prepare_reader"]

_HEAD = 512  # bytes: the box "ftyp" with all its brands
_AVIF = {b"avif", b"avis"}
_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}


def prepare_reader(path: str | Path, name: str) -> None:
    """Enable Pillow to read the file if it is a HEIC, HEIF or AVIF file.

    Raises ImageError, which says what to install, if no installed library reads such a file. `name` is the
    file's name in the message.
    """
    brands = _brands(path)
    if brands & _AVIF:
        _need("AVIF", "an AVIF file; to read it, pip install --upgrade pillow (to 11.3 or newer)", name)
    elif brands & _HEIF:
        _register_heif()
        _need("HEIF", "a HEIC or HEIF file; to read it, pip install pillow-heif", name)


def _brands(path: str | Path) -> set[bytes]:
    """Return the brands in the box "ftyp" at the start of the file; none if it does not start so."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except OSError:  # told when the image is opened
        return set()
    if head[4:8] != b"ftyp":
        return set()
    box = head[: int.from_bytes(head[:4], "big")]
    return {box[8:12], *(box[place : place + 4] for place in range(16, len(box), 4))}


def _register_heif() -> None:
    if "HEIF" in Image.OPEN:
        return
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return
    register_heif_opener()


def _need(form: str, what: str, name: str) -> None:
    if form not in Image.OPEN:
        raise ImageError(f"cannot read image {name}: it is {what}, or convert it to PNG or JPEG")
