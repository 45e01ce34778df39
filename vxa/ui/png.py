"""PNG files of pictures that are shown once: in half the time of Pillow's own, a fifth larger, as lossless.

Pillow tries five filters for every row. Here every pixel is written as its difference from the one at its
left (filter 1, "Sub", of the PNG specification, section 9), and zlib looks for runs alone.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from PIL import Image

__all__ = ["png_bytes"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SUB = 1


def png_bytes(picture: Image.Image) -> bytes:
    """The RGB picture as the bytes of a PNG file."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    data = compressor.compress(_filtered(picture).tobytes()) + compressor.flush()
    header = struct.pack(">IIBBBBB", *picture.size, 8, 2, 0, 0, 0)  # 8 bits, RGB, not interlaced
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _filtered(picture: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The rows, each after the number of its filter: uint8 [height, 1 + 3·width]."""
    pixels = np.asarray(picture.convert("RGB")).reshape(picture.height, -1)
    rows = np.full((picture.height, 1 + pixels.shape[1]), _SUB, np.uint8)
    rows[:, 1:4] = pixels[:, :3]
    np.subtract(pixels[:, 3:], pixels[:, :-3], out=rows[:, 4:])
    return rows


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
