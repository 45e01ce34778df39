"""ICC profiles: what a file means is read, whatever numbers it is stored in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, features
from support.profiles import (
    ADOBE,
    BLUE,
    GREEN,
    RED,
    cmyk_profile,
    curve,
    grey_profile,
    rgb_profile,
    srgb_curve,
)

from vxa.errors import ImageError
from vxa.io.images import read_image, save_image

SRGB = rgb_profile(RED, GREEN, BLUE, srgb_curve())
SWAPPED = rgb_profile(GREEN, RED, BLUE, srgb_curve())
LINEAR_GREY = grey_profile(curve(1.0))
INKS = cmyk_profile(((136, 70, 200), (135, 200, 190), (230, 110, 220), (0, 128, 128)))  # "cyan" is a green
SOME = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def colour(image: Image.Image) -> tuple[int, ...]:
    return tuple(int(value) for value in np.asarray(image)[0, 0])


def near(image: Image.Image, expected: tuple[int, int, int]) -> bool:
    return bool(np.abs(np.subtract(colour(image), expected)).max() <= 2)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "avif"])
def test_a_file_that_means_green_is_read_green(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"green.{suffix}"
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow does not write AVIF")
    Image.new("RGB", (32, 16), (255, 0, 0)).save(path, icc_profile=SWAPPED)
    assert near(read_image(path), (0, 255, 0))


def test_a_wide_gamut_is_brought_into_srgb() -> None:
    image = Image.new("RGB", (3, 2), (200, 100, 50))
    image.info["icc_profile"] = rgb_profile(*ADOBE, curve(2.19921875))
    assert near(read_image(image), (227, 100, 40))


@pytest.mark.parametrize(
    "profile",
    [
        SRGB,
        rgb_profile(RED, GREEN, BLUE, srgb_curve(4096)),
        rgb_profile(RED, GREEN, BLUE, srgb_curve(42)),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    ],
)
def test_srgb_stays_bit_identical(tmp_path: Path, profile: bytes) -> None:
    Image.fromarray(SOME).save(tmp_path / "some.png", icc_profile=profile)
    assert np.array_equal(np.asarray(read_image(tmp_path / "some.png")), SOME)


def test_greys_of_srgbs_curve_stay_bit_identical() -> None:
    image = Image.fromarray(SOME[:, :, 0])
    image.info["icc_profile"] = grey_profile(srgb_curve())
    assert np.array_equal(np.asarray(read_image(image))[:, :, 1], SOME[:, :, 0])


@pytest.mark.parametrize(
    ("mode", "stored"), [("L", 55), ("LA", (55, 255)), ("La", (55, 255)), ("I;16", 55 * 257), ("I", 55 * 257)]
)
def test_grey_of_every_mode_follows_its_profile(mode: str, stored: object) -> None:
    """Linear 55 of 255 is 0.2157, of which sRGB's curve makes 0.5018."""
    image = Image.new(mode, (3, 2), stored)  # type: ignore[arg-type]
    image.info["icc_profile"] = LINEAR_GREY
    assert near(read_image(image), (128, 128, 128))


def test_sixteen_bit_files_follow_their_profile(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 3), 55 * 257, np.uint16)).save(tmp_path / "wide.png", icc_profile=LINEAR_GREY)
    assert near(read_image(tmp_path / "wide.png"), (128, 128, 128))


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_inks_follow_their_profile(tmp_path: Path, suffix: str) -> None:
    Image.new("CMYK", (16, 8), (255, 0, 0, 0)).save(tmp_path / f"ink.{suffix}", icc_profile=INKS)
    red, green, blue = colour(read_image(tmp_path / f"ink.{suffix}"))
    assert green > red + 60
    assert green > blue + 60


@pytest.mark.parametrize(
    ("alpha", "expected"), [(255, (0, 255, 0)), (0, (255, 255, 255)), (128, (127, 255, 127))]
)
def test_transparency_is_laid_on_white_after_the_conversion(
    tmp_path: Path, alpha: int, expected: tuple[int, int, int]
) -> None:
    Image.new("RGBA", (3, 2), (255, 0, 0, alpha)).save(tmp_path / "a.png", icc_profile=SWAPPED)
    assert near(read_image(tmp_path / "a.png"), expected)


def test_a_palette_follows_its_profile(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.save(tmp_path / "plain.png", icc_profile=SWAPPED)
    image.save(tmp_path / "clear.png", icc_profile=SWAPPED, transparency=1)
    for name in ("plain.png", "clear.png"):
        assert near(read_image(tmp_path / name), (0, 255, 0))


def test_lab_files_are_read(tmp_path: Path) -> None:
    lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    lab.apply(Image.new("RGB", (8, 4), (200, 30, 60))).save(tmp_path / "lab.tif")
    with Image.open(tmp_path / "lab.tif") as stored:
        assert stored.mode == "LAB"
    assert near(read_image(tmp_path / "lab.tif"), (200, 30, 60))


@pytest.mark.parametrize(
    ("mode", "stored", "profile"),
    [
        ("RGB", (255, 0, 0), b"no profile at all"),
        ("RGB", (255, 0, 0), SWAPPED[:200]),
        ("RGB", (255, 0, 0), SWAPPED[:127]),
        ("RGB", (255, 0, 0), bytes(500)),
        ("RGB", (255, 0, 0), LINEAR_GREY),
        ("RGB", (255, 0, 0), INKS),
        ("L", 100, SWAPPED),
        ("CMYK", (0, 255, 255, 0), SWAPPED),
        ("1", 1, LINEAR_GREY[:90]),
    ],
)
def test_a_broken_profile_and_one_of_another_mode_leave_the_pixels(
    tmp_path: Path, mode: str, stored: object, profile: bytes
) -> None:
    image = Image.new(mode, (3, 2), stored)  # type: ignore[arg-type]
    plain = np.asarray(read_image(image))
    image.save(tmp_path / "some.tif", icc_profile=profile)
    assert np.array_equal(np.asarray(read_image(tmp_path / "some.tif")), plain)


def test_what_was_converted_is_not_converted_again(tmp_path: Path) -> None:
    Image.new("RGB", (3, 2), (255, 0, 0)).save(tmp_path / "green.png", icc_profile=SWAPPED)
    read = read_image(tmp_path / "green.png")
    save_image(read, tmp_path / "again.png")
    assert near(read_image(tmp_path / "again.png"), (0, 255, 0))
    assert near(read_image(read), (0, 255, 0))


def test_without_littlecms_a_profile_is_refused_and_plain_images_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(features, "check", lambda feature: feature != "littlecms2")
    image = Image.fromarray(SOME)
    assert np.array_equal(np.asarray(read_image(image)), SOME)
    image.info["icc_profile"] = SWAPPED
    with pytest.raises(ImageError, match="has a colour profile, and this Pillow was built without LittleCMS"):
        read_image(image)
