"""HEIC, HEIF and AVIF: read where a library can, else told by name and with what to install."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features
from support.profiles import BLUE, GREEN, RED, rgb_profile, srgb_curve

from vxa.errors import ImageError
from vxa.io.images import read_image


def started(major: bytes, *compatible: bytes) -> bytes:
    """Return the start of a file of these brands, and nothing after it."""
    body = b"ftyp" + major + bytes(4) + b"".join(compatible)
    return (len(body) + 4).to_bytes(4, "big") + body + bytes(64)


@pytest.fixture
def without_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide pillow-heif, and Pillow's own reader of AVIF."""
    Image.init()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for form in ("HEIF", "AVIF"):
        monkeypatch.delitem(Image.OPEN, form, raising=False)


@pytest.fixture
def heif() -> Any:
    return pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")


@pytest.mark.usefixtures("without_libraries")
@pytest.mark.parametrize("name", ["photo.heic", "photo.jpg", "photo"])
@pytest.mark.parametrize(
    ("start", "told"),
    [
        (started(b"heic", b"mif1"), "it is a HEIC or HEIF file; to read it, pip install pillow-heif"),
        (started(b"heix"), "it is a HEIC or HEIF file; to read it, pip install pillow-heif"),
        (started(b"mif1", b"heic"), "it is a HEIC or HEIF file; to read it, pip install pillow-heif"),
        (started(b"hevc", b"msf1"), "it is a HEIC or HEIF file; to read it, pip install pillow-heif"),
        (started(b"avif", b"mif1"), "it is an AVIF file; to read it, pip install --upgrade pillow"),
        (started(b"mif1", b"avif"), "it is an AVIF file; to read it, pip install --upgrade pillow"),
    ],
)
def test_what_to_install_is_named_by_the_files_bytes(
    tmp_path: Path, name: str, start: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(start)
    with pytest.raises(ImageError) as error:
        read_image(tmp_path / name)
    assert f"cannot read image {str(tmp_path / name)!r}: {told}" in str(error.value)
    assert str(error.value).endswith("or convert it to PNG or JPEG")


@pytest.mark.usefixtures("without_libraries")
@pytest.mark.parametrize(
    "data",
    [started(b"mp42", b"isom"), started(b"qt  "), b"\0\0\0\x08ftyp", b"ftyp", b"\0\0\0\x14ftyphe", bytes(9)],
)
def test_films_and_fragments_are_no_images(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.heic").write_bytes(data)
    with pytest.raises(ImageError, match="not an image file"):
        read_image(tmp_path / "a.heic")


@pytest.mark.usefixtures("without_libraries")
def test_a_picture_named_heic_is_read_as_it_is(tmp_path: Path) -> None:
    Image.new("RGB", (3, 2), "red").save(tmp_path / "a.heic", format="PNG")
    assert read_image(tmp_path / "a.heic").size == (3, 2)


@pytest.mark.parametrize("registered", [True, False])
@pytest.mark.parametrize("name", ["a.heic", "a.jpg"])
def test_heic_is_read(
    heif: Any, tmp_path: Path, name: str, registered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Image.new("RGB", (64, 32), "white")
    image.paste((255, 0, 0), (0, 0, 32, 16))
    heif.from_pillow(image).save(tmp_path / name)
    if not registered:
        Image.init()
        monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    read = np.asarray(read_image(tmp_path / name), int)
    assert read.shape == (32, 64, 3)
    assert np.abs(read - np.asarray(image)).mean() < 4


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_heic_is_turned_once(heif: Any, tmp_path: Path, orientation: int) -> None:
    heif.register_heif_opener()
    image = Image.new("RGB", (64, 32), "white")
    image.paste((255, 0, 0), (0, 0, 32, 16))
    image.getexif()[0x0112] = orientation
    image.save(tmp_path / "a.heic")
    expected = image.transpose(Image.Transpose({3: 3, 6: 4, 8: 2}[orientation]))
    read = read_image(tmp_path / "a.heic")
    assert read.size == expected.size
    assert np.abs(np.asarray(read, int) - np.asarray(expected)).mean() < 4


def test_the_profile_of_a_heic_is_followed(heif: Any, tmp_path: Path) -> None:
    heif.register_heif_opener()
    swapped = rgb_profile(GREEN, RED, BLUE, srgb_curve())
    Image.new("RGB", (64, 32), (255, 0, 0)).save(tmp_path / "a.heic", icc_profile=swapped)
    assert np.abs(np.asarray(read_image(tmp_path / "a.heic"), int) - (0, 255, 0)).max() < 8


def test_a_huge_heic_is_refused_before_decoding(
    heif: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heif.from_pillow(Image.new("L", (1000, 900))).save(tmp_path / "a.heic", quality=1)
    monkeypatch.setattr("vxa.io.images.MAX_PIXELS", 800_000)
    with pytest.raises(ImageError, match="900×1000 is more than"):
        read_image(tmp_path / "a.heic")


def test_a_truncated_heic_is_refused(heif: Any, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    heif.from_pillow(Image.fromarray(noise)).save(tmp_path / "a.heic")
    whole = (tmp_path / "a.heic").read_bytes()
    for share in (0.1, 0.5, 0.9):
        (tmp_path / "a.heic").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ImageError) as error:
            read_image(tmp_path / "a.heic")
        assert "\n" not in str(error.value)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow does not read AVIF")
def test_avif_is_read(tmp_path: Path) -> None:
    Image.new("RGB", (64, 32), (255, 0, 0)).save(tmp_path / "a.png", format="AVIF")
    assert np.abs(np.asarray(read_image(tmp_path / "a.png"), int) - (255, 0, 0)).max() < 8
