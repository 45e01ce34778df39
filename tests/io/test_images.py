"""Reading of images in many formats, and atomic writing."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vxa.errors import ImageError
from vxa.io import images
from vxa.io.atomic import atomic_file
from vxa.io.images import check_image_path, read_image, save_image

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def pixels(image: Image.Image) -> list[list[tuple[int, ...]]]:
    return [[tuple(int(v) for v in pixel) for pixel in row] for row in np.asarray(image)]


def one_line(error: pytest.ExceptionInfo[ImageError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 600
    return message


def png_header(width: int, height: int) -> bytes:
    """Return a PNG whose header claims this size."""
    body = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(body)) + b"IHDR" + body + struct.pack(">I", zlib.crc32(b"IHDR" + body))
    data = zlib.compress(b"\0" * 100)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk
        + struct.pack(">I", len(data))
        + b"IDAT"
        + data
        + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    )


@pytest.mark.parametrize("kind", [str, Path])
def test_reads_a_path_of_either_kind(tmp_path: Path, kind: type) -> None:
    Image.new("RGB", (3, 2), RED).save(tmp_path / "red.png")
    image = read_image(kind(tmp_path / "red.png"))
    assert (image.mode, image.size) == ("RGB", (3, 2))
    assert pixels(image) == [[RED] * 3] * 2


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 100, (100, 100, 100)),
        ("1", 1, WHITE),
        ("LA", (0, 0), WHITE),
        ("LA", (100, 255), (100, 100, 100)),
        ("La", (0, 0), WHITE),
        ("RGBA", (255, 0, 0, 255), RED),
        ("RGBA", (0, 0, 0, 0), WHITE),
        ("RGBA", (255, 0, 0, 127), (255, 128, 128)),
        ("RGBa", (0, 0, 0, 0), WHITE),
        ("CMYK", (0, 255, 255, 0), RED),
        ("YCbCr", (76, 85, 255), (254, 0, 0)),
        ("I", 65535, WHITE),
        ("I", 257 * 9, (9, 9, 9)),
        ("I;16", 257 * 9, (9, 9, 9)),
        ("F", 0.5, (128, 128, 128)),
    ],
)
def test_every_mode_becomes_rgb(mode: str, colour: object, expected: tuple[int, ...]) -> None:
    image = read_image(Image.new(mode, (3, 2), colour))  # type: ignore[arg-type]
    assert image.mode == "RGB"
    assert pixels(image) == [[expected] * 3] * 2


def test_palette_with_and_without_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *BLUE])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "plain.png")
    image.save(tmp_path / "clear.png", transparency=0)
    image.save(tmp_path / "bytes.png", transparency=bytes([255, 0]))
    assert pixels(read_image(tmp_path / "plain.png")) == [[RED, BLUE]]
    assert pixels(read_image(tmp_path / "clear.png")) == [[WHITE, BLUE]]
    assert pixels(read_image(tmp_path / "bytes.png")) == [[RED, WHITE]]


def test_colour_keys_of_rgb_and_grey(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), RED).save(tmp_path / "key.png", transparency=RED)
    Image.new("L", (1, 1), 7).save(tmp_path / "grey.png", transparency=7)
    assert pixels(read_image(tmp_path / "key.png")) == [[WHITE]]
    assert pixels(read_image(tmp_path / "grey.png")) == [[WHITE]]


def test_the_colour_key_of_wide_grey() -> None:
    wide = Image.fromarray(np.array([[0, 2570]], np.uint16))
    wide.info["transparency"] = 0
    assert pixels(read_image(wide)) == [[WHITE, (10, 10, 10)]]


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16)).save(tmp_path / "wide.png")
    Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16)).save(tmp_path / "wide.tif")
    for name in ("wide.png", "wide.tif"):
        assert np.asarray(read_image(tmp_path / name))[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_is_turned(tmp_path: Path, suffix: str, orientation: int) -> None:
    upright = Image.new("RGB", (32, 16), WHITE)
    upright.paste(RED, (0, 0, 16, 8))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # orientation -> the transpose that a camera applied
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"turned.{suffix}", exif=exif)
    image = read_image(tmp_path / f"turned.{suffix}")
    assert image.size == (32, 16)
    assert np.abs(np.asarray(image, int) - np.asarray(upright, int)).mean() < 20
    assert np.asarray(image)[4, 8, 1] < 128 < np.asarray(image)[12, 24, 1]


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_an_animation_gives_its_first_frame(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (4, 3), colour) for colour in (RED, BLUE)]
    options = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"moving.{suffix}", save_all=True, append_images=frames[1:], **options)
    assert pixels(read_image(tmp_path / f"moving.{suffix}"))[0][0] == RED


@pytest.mark.parametrize("size", [(1, 1), (8000, 6000), (700, 100), (100, 700)])
def test_extreme_sizes_are_right_answers(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("L", size, 200).save(tmp_path / "size.png")
    assert read_image(tmp_path / "size.png").size == size


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.full((2, 3), 7, np.uint8), (7, 7, 7)),
        (np.full((2, 3, 1), 7, np.uint8), (7, 7, 7)),
        (np.full((2, 3, 3), 7, np.uint8), (7, 7, 7)),
        (np.full((2, 3, 4), 0, np.uint8), WHITE),
        (np.full((2, 3), 257 * 7, np.uint16), (7, 7, 7)),
        (np.full((2, 3), True), WHITE),
        (np.full((2, 3, 3), 0.2, np.float64), (51, 51, 51)),
        (np.full((4, 6, 3), 7, np.uint8)[::2, ::-2], (7, 7, 7)),
    ],
)
def test_arrays(array: np.ndarray, expected: tuple[int, ...]) -> None:
    assert pixels(read_image(array)) == [[expected] * 3] * 2


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 3, 2), np.uint8),
        np.zeros(3, np.uint8),
        np.zeros((0, 3), np.uint8),
        np.zeros((2, 3), np.int64),
        np.full((2, 3), 1.5),
        np.full((2, 3), np.nan),
        np.full((2, 3), -0.1),
        np.zeros((2, 3), complex),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(ImageError) as error:
        read_image(array)
    one_line(error)


@given(st.integers(1, 5), st.integers(1, 5), st.data())
@settings(max_examples=30, deadline=None)
def test_rgb_bytes_are_kept(height: int, width: int, data: st.DataObject) -> None:
    raw = data.draw(st.binary(min_size=height * width * 3, max_size=height * width * 3))
    array = np.frombuffer(raw, np.uint8).reshape(height, width, 3)
    assert np.array_equal(np.asarray(read_image(array)), array)


def test_the_given_image_is_left_as_it_was() -> None:
    image = Image.new("RGBA", (2, 2), (1, 2, 3, 4))
    read_image(image)
    assert image.mode == "RGBA"
    assert image.getpixel((0, 0)) == (1, 2, 3, 4)


def test_missing_folder_empty_and_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no image at all")
    (tmp_path / "page.ps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    for name, reason in [
        ("missing.png", "no such file"),
        ("", "folder"),
        ("empty.png", "empty"),
        ("text.png", "not an image"),
        ("page.ps", "not an image"),
        ("a\nb.png", "no such file"),
        ("x" * 300, "no such file"),
        ("null\0byte", "no such file"),
    ]:
        with pytest.raises(ImageError) as error:
            read_image(str(tmp_path / name))
        assert reason in one_line(error)


@pytest.mark.parametrize("source", [None, 3, b"bytes", ["a.png"]])
def test_other_sources_are_refused(source: object) -> None:
    with pytest.raises(ImageError, match=type(source).__name__):
        read_image(source)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "webp", "tif", "bmp"])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / f"whole.{suffix}")
    whole = (tmp_path / f"whole.{suffix}").read_bytes()
    for share in (0.1, 0.5, 0.9):
        (tmp_path / f"part.{suffix}").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ImageError) as error:
            read_image(tmp_path / f"part.{suffix}")
        one_line(error)


@given(
    st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"]),
    st.integers(0, 10**6),
    st.binary(max_size=8),
)
@settings(max_examples=150, deadline=None)
def test_damaged_files_are_read_or_refused(tmp_path_factory, form: str, place: int, bytes_: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged"
    Image.linear_gradient("L").resize((9, 7)).save(path, form)
    raw = bytearray(path.read_bytes())
    place %= len(raw)
    raw[place : place + len(bytes_)] = bytes_
    path.write_bytes(raw)
    try:
        mode = read_image(path).mode
    except ImageError as error:
        mode = "refused" if "\n" not in str(error) else "refused in several lines"
    assert mode in ("RGB", "refused")


@pytest.mark.parametrize("side", [10_000, 100_000])
def test_a_decompression_bomb_is_refused_before_decoding(tmp_path: Path, side: int) -> None:
    (tmp_path / "bomb.png").write_bytes(png_header(side, side))
    with pytest.raises(ImageError, match="80 million") as error:
        read_image(tmp_path / "bomb.png")
    one_line(error)


def test_images_of_no_pixels_are_refused() -> None:
    with pytest.raises(ImageError, match="2×0"):
        read_image(Image.new("RGB", (0, 2)))


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".webp", ".tif", ".tiff", ".bmp"])
def test_saving_is_lossless(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    path = save_image(Image.fromarray(noise), tmp_path / f"out{suffix}")
    assert np.array_equal(np.asarray(read_image(path)), noise)
    assert [entry.name for entry in tmp_path.iterdir()] == [f"out{suffix}"]


def test_jpeg_takes_transparency_too(tmp_path: Path) -> None:
    save_image(Image.new("RGBA", (4, 3), (0, 0, 0, 0)), tmp_path / "out.jpg")
    assert pixels(read_image(tmp_path / "out.jpg"))[0][0] == WHITE


@pytest.mark.parametrize("name", ["out", "out.xyz", "out.png.txt", "missing/out.png", "folder.png", ".png"])
def test_unwritable_places_are_refused_and_nothing_is_left(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ImageError) as error:
        save_image(Image.new("RGB", (2, 2)), tmp_path / name)
    assert repr(str(tmp_path / name)) in one_line(error)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.png"]


def test_a_failing_save_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_image(Image.new("RGB", (2, 2), RED), tmp_path / "out.png")

    def full_disk(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(ImageError, match="No space left"):
        save_image(Image.new("RGB", (2, 2), BLUE), path)
    monkeypatch.undo()
    assert pixels(read_image(path))[0][0] == RED
    assert os.listdir(tmp_path) == ["out.png"]


def test_a_file_that_was_read_is_not_left_open(tmp_path: Path) -> None:
    """Windows deletes and replaces no file that is open, such as an upload in a temporary folder."""
    opened = Path("/proc/self/fd")
    if not opened.is_dir():
        pytest.skip("this system does not list the files that are open")
    frames = [Image.new("RGB", (4, 3), colour) for colour in (RED, BLUE)]
    for suffix in ("png", "gif", "tif", "webp", "jpg"):
        several = {} if suffix == "jpg" else {"save_all": True, "append_images": frames[1:]}
        frames[0].save(tmp_path / f"whole.{suffix}", **several)
        whole = (tmp_path / f"whole.{suffix}").read_bytes()
        (tmp_path / f"broken.{suffix}").write_bytes(whole[: len(whole) // 2])
        (tmp_path / f"foreign.{suffix}").write_bytes(b"no image")

    def open_files() -> list[Path]:
        return [path for path in opened.iterdir() if str(tmp_path) in os.path.realpath(path)]

    with open(tmp_path / "whole.png", "rb"):
        assert open_files()
    errors = []  # a traceback that is kept keeps what its frames hold
    for path in sorted(tmp_path.iterdir()):
        try:
            read_image(path)
        except ImageError as error:
            errors.append(error)
    assert len(errors) >= 5
    assert not open_files()


def test_an_interrupted_file_is_not_left(tmp_path: Path) -> None:
    def interrupted() -> None:
        with atomic_file(tmp_path / "out.bin") as handle:
            handle.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.listdir(tmp_path) == []


def test_a_written_file_has_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    save_image(Image.new("RGB", (1, 1)), tmp_path / "out.png")
    assert (tmp_path / "out.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_path_is_checked_before_the_work(tmp_path: Path) -> None:
    assert check_image_path(str(tmp_path / "out.png")) == tmp_path / "out.png"
    assert images.MAX_PIXELS >= 8000 * 6000
