"""ICC profiles, made of bytes: monitors of three primaries, greys, and a printer of four inks."""

from __future__ import annotations

import struct

__all__ = [
    "ADOBE",
    "BLUE",
    "GREEN",
    "RED",
    "cmyk_profile",
    "curve",
    "grey_profile",
    "rgb_profile",
    "srgb_curve",
]

XYZ = tuple[float, float, float]
# The primaries of sRGB and of Adobe RGB (1998), adapted to D50, which profiles are told in.
RED, GREEN, BLUE = (0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141)
ADOBE = (0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)
_WHITE = (0.9642, 1.0, 0.8249)


def srgb_curve(points: int = 1024) -> bytes:
    """Return sRGB's transfer curve as a table, as in the profile that most files embed."""
    levels = [place / (points - 1) for place in range(points)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in levels]
    return struct.pack(f">4s4xI{points}H", b"curv", points, *(round(65535 * y) for y in linear))


def curve(gamma: float) -> bytes:
    """Return a transfer curve of one exponent."""
    return struct.pack(">4s4xIH", b"curv", 1, round(gamma * 256))


def rgb_profile(red: XYZ, green: XYZ, blue: XYZ, transfer: bytes) -> bytes:
    """Return a profile whose three channels mean these colours at their highest."""
    primaries = {
        tag: _xyz(value) for tag, value in zip((b"rXYZ", b"gXYZ", b"bXYZ"), (red, green, blue), strict=True)
    }
    transfers = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), transfer)
    return _profile(b"mntr", b"RGB ", b"XYZ ", primaries | transfers)


def grey_profile(transfer: bytes) -> bytes:
    """Return a profile of grey."""
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": transfer})


def cmyk_profile(inks: tuple[tuple[int, int, int], ...]) -> bytes:
    """Return a profile of four inks, each with its colour in 8-bit Lab; the darkest of several covers."""
    corners = []
    for corner in range(16):  # the last ink changes fastest
        used = [ink for place, ink in enumerate(inks) if corner >> (3 - place) & 1]
        corners.append(min(used, default=(255, 128, 128)))
    identity = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 if place % 4 == 0 else 0 for place in range(9)))
    table = struct.pack(">4s4xBBBx", b"mft1", 4, 3, 2) + matrix + identity * 4
    table += b"".join(map(bytes, corners)) + identity * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table})


def _xyz(values: XYZ) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(round(65536 * value) for value in values))


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"wtpt": _xyz(_WHITE), **tags}
    start, entries, body = 132 + 12 * len(tags), b"", b""
    for tag, data in tags.items():
        entries += struct.pack(">4sII", tag, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = start + len(body)
    head = struct.pack(">I4xI4s4s4s12x4s28x", size, 0x02400000, kind, space, connection, b"acsp")
    return (head + _xyz(_WHITE)[8:]).ljust(128, b"\0") + struct.pack(">I", len(tags)) + entries + body
