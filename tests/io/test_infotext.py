"""Infotexts: those of webuis are parsed, those of VXA are read back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vxa.io.infotext import Infotext, parse_infotext, read_infotext

TEXT = """a boy wearing a (red:1.3) hat,
and his white cat
Negative prompt: blurry
Steps: 4, Sampler: Euler a, Seed: 41, Size: 192x256, Lora hashes: "ink: 12ab, dot: 34", Version: v1.10.1"""
PROMPT = "a boy wearing a (red:1.3) hat,\nand his white cat"
USER_COMMENT = {
    "big": b"UNICODE\0" + TEXT.encode("utf-16-be"),
    "little": b"UNICODE\0" + TEXT.encode("utf-16-le"),
    "ascii": b"ASCII\0\0\0" + TEXT.encode(),
    "bare": TEXT.encode(),
}


def png(folder: Path, text: str | None, key: str = "parameters") -> Path:
    info = PngInfo()
    if text is not None:
        info.add_itxt(key, text)
    Image.new("RGB", (6, 4)).save(folder / "image.png", pnginfo=info)
    return folder / "image.png"


def with_exif(path: Path, comment: bytes) -> Path:
    image, exif = Image.new("RGB", (6, 4)), Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = comment
    image.save(path, exif=exif)
    return path


def test_a_png_says_how_it_was_made(tmp_path: Path):
    made = read_infotext(png(tmp_path, TEXT))
    assert made is not None
    assert made.prompt == PROMPT
    assert made.settings == {
        "Steps": "4", "Sampler": "Euler a", "Seed": "41", "Size": "192x256",
        "Lora hashes": "ink: 12ab, dot: 34", "Version": "v1.10.1",
    }  # fmt: skip


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
@pytest.mark.parametrize("how", USER_COMMENT)
def test_a_users_comment_says_it_too(tmp_path: Path, suffix: str, how: str):
    made = read_infotext(with_exif(tmp_path / f"image{suffix}", USER_COMMENT[how]))
    assert made is not None
    assert (made.prompt, made.settings["Seed"]) == (PROMPT, "41")


@pytest.mark.parametrize(
    "text", [None, "", "Created with GIMP", "a hat\nSteps: 4, Seed: 1", TEXT + "x" * 50_000, "\n\n", "::,:,"]
)
def test_what_does_not_say_it_is_none(tmp_path: Path, text: str | None):
    assert parse_infotext(text) is None
    assert read_infotext(png(tmp_path, text)) is None
    assert read_infotext(png(tmp_path, TEXT, key="Comment")) is None


def test_what_is_no_image_is_none(tmp_path: Path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    assert read_infotext(tmp_path / "broken.png") is None
    assert read_infotext(tmp_path / "missing.png") is None
    assert read_infotext(with_exif(tmp_path / "image.jpg", b"UNICODE\0\xd8")) is None


def test_what_is_written_reads_back():
    made = Infotext(
        "hat,\nneck", {"VXA tokens": "1, 3-5", "Model": 'a "b": c', "Size": "6x4", "Lines": "1\n2"}
    )
    assert parse_infotext(str(made)) == made


_NAMES = some.from_regex(r"\AVXA [a-z]{1,8}\Z")
_VALUES = some.text(some.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(
    lambda value: value == value.strip()
)


@given(some.dictionaries(_NAMES, _VALUES, min_size=3))
def test_any_settings_read_back(settings: dict[str, str]):
    made = parse_infotext(str(Infotext("a hat", settings)))
    assert made is not None
    assert made.settings == settings
