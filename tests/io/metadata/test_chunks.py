"""Texts of image files, whatever way they are written."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vxa.io.infotext import read_infotext
from vxa.io.metadata.chunks import TextChunks, text_chunks

TEXT = "ein roter Hut, größer 帽子\nSteps: 4, Seed: 1, Size: 6x4"


@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + b"\xfe\xff" + TEXT.encode("utf-16-be"),
        b"UNICODE\0" + b"\xff\xfe" + TEXT.encode("utf-16-le"),
        b"UNICODE\0" + TEXT.encode("utf-16-be") + bytes(2),
        b"UNICODE\0" + TEXT.encode(),
        bytes(8) + TEXT.encode() + bytes(4),
    ],
)
@pytest.mark.parametrize("inner", [True, False])
def test_a_users_comment_in_every_encoding(tmp_path: Path, comment: bytes, inner: bool) -> None:
    exif = Image.Exif()
    (exif.get_ifd(0x8769) if inner else exif)[0x9286] = comment
    Image.new("RGB", (6, 4)).save(tmp_path / "a.jpg", exif=exif)
    made = read_infotext(tmp_path / "a.jpg")
    assert made is not None
    assert (made.prompt, made.settings["Size"]) == ("ein roter Hut, größer 帽子", "6x4")


@pytest.mark.parametrize("suffix", ["gif", "jpg"])
def test_a_comment(tmp_path: Path, suffix: str) -> None:
    Image.new("RGB", (6, 4)).save(tmp_path / f"a.{suffix}", comment=TEXT.encode())
    made = read_infotext(tmp_path / f"a.{suffix}")
    assert made is not None
    assert made.settings["Seed"] == "1"


def test_a_chunk_comes_before_exif(tmp_path: Path) -> None:
    info, exif = PngInfo(), Image.Exif()
    info.add_itxt("parameters", "a hat\nSteps: 4, Seed: 2, Size: 6x4")
    exif[0x9286] = TEXT
    Image.new("RGB", (6, 4)).save(tmp_path / "a.png", pnginfo=info, exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        assert text_chunks(image).texts["parameters"].startswith("a hat")


def test_a_compressed_chunk_is_read_as_others_are(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("parameters", TEXT, zip=True)
    Image.new("RGB", (6, 4)).save(tmp_path / "a.png", pnginfo=info)
    assert read_infotext(tmp_path / "a.png") is not None


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "{'a': 1}", "[" * 100_000, '{"a": ' * 100_000])
def test_only_an_object_is_json_here(text: str) -> None:
    chunks = TextChunks({"parameters": text})
    assert chunks.json("parameters") == {}
    assert chunks.json("missing") == {}
