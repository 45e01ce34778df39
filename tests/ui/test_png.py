"""The page's own PNG files against Pillow, which reads them back."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from vxa.ui.png import png_bytes


def read(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as read:
        read.load()
        return read


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (5, 7), (300, 200)])
def test_every_pixel_comes_back(size: tuple[int, int]):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    again = read(png_bytes(Image.fromarray(pixels)))
    assert (again.format, again.mode, again.size) == ("PNG", "RGB", (size[1], size[0]))
    assert np.array_equal(again, pixels)


def test_a_plain_picture_is_small():
    assert len(png_bytes(Image.new("RGB", (400, 300), "white"))) < 4_000


def test_a_grey_picture_is_written_in_rgb():
    assert read(png_bytes(Image.new("L", (3, 2), 77))).getpixel((2, 1)) == (77, 77, 77)
