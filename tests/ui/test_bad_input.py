"""What a page may be given, over a small random model: right answers, or a sentence and the page goes on."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.replayed import PASS

from vxa import VxaError
from vxa.ui import strings
from vxa.ui.asked import Asked
from vxa.ui.downloads import Downloads
from vxa.ui.handlers import Handlers, sentence
from vxa.ui.local import local_backend

PROMPT = "red hat, neck"


@pytest.fixture
def handlers(sd_model: Any, tmp_path: Path) -> Handlers:
    return Handlers(local_backend(sd_model, "tiny", None, ()), Downloads(tmp_path / "given away"))


@pytest.fixture
def photo(picture: Image.Image, tmp_path: Path) -> str:
    path = tmp_path / "photo.png"
    picture.save(path)
    return str(path)


@pytest.fixture
def goes_on(handlers: Handlers, photo: str) -> Callable[[Callable[[], object], str], None]:
    """Try what must be refused: one sentence that says what is expected, and the page is as it was."""

    def check(attempt: Callable[[], object], said: str) -> None:
        handlers.run("mine", photo, PROMPT, *PASS)
        before = handlers.picture("mine", Asked()).tobytes()
        with pytest.raises(VxaError) as refused:
            attempt()
        told = sentence(refused.value)
        assert said in told
        assert told != strings.DEFECT
        assert "\n" not in told
        assert handlers.picture("mine", Asked()).tobytes() == before
        assert handlers.run("mine", photo, PROMPT, 2, "none").summary

    return check


def encoded(form: str, size: tuple[int, int] = (64, 48)) -> bytes:
    buffer = BytesIO()
    Image.effect_noise(size, 90).save(buffer, form)
    return buffer.getvalue()


def bomb() -> bytes:
    """A PNG of a few bytes that says it has 50,000 × 50,000 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100)))


BROKEN = {
    "text.png": (b"these are words", "not an image file"),
    "empty.png": (b"", "the file is empty"),
    "cut.jpg": (encoded("JPEG")[:900], "truncated or broken"),
    "cut.png": (encoded("PNG")[:900], "truncated or broken"),
    "bomb.png": (bomb(), "million pixels allowed"),
    "drawing.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not an image file"),
    "page.ps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "not an image file"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_image_is_refused_when_it_is_given_and_when_it_is_looked_at(
    handlers: Handlers, goes_on: Any, tmp_path: Path, name: str
):
    data, said = BROKEN[name]
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(VxaError, match=f"cannot read image '{name}': "):  # without our folder
        handlers.check_image(str(path))
    goes_on(lambda: handlers.check_image(str(path)), said)
    goes_on(lambda: handlers.run("mine", str(path), PROMPT, *PASS), said)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"image": None}, strings.NO_IMAGE),
        ({"image": ""}, strings.NO_IMAGE),
        ({"image": "gone.png"}, "no such file"),
        ({"image": "."}, "it is a folder"),
        ({"prompt": ""}, "has no words"),
        ({"prompt": None}, "has no words"),
        ({"prompt": " \n\t "}, "has no words"),
        ({"timestep": -1}, "timestep -1 is not allowed"),
        ({"timestep": 1000}, "timestep 1000 is not allowed"),
        ({"timestep": math.nan}, "not a whole number"),
        ({"timestep": math.inf}, "not a whole number"),
        ({"timestep": 1.5}, "not a whole number"),
        ({"timestep": None}, "not a whole number"),
        ({"timestep": "1"}, "not a whole number"),
        ({"noise": "loud"}, "noise 'loud' is unknown"),
        ({"noise": None}, "noise None is unknown"),
    ],
)
def test_a_pass_that_cannot_be_made(
    handlers: Handlers, goes_on: Any, photo: str, given: dict[str, Any], said: str
):
    asked = {"image": photo, "prompt": PROMPT, "timestep": 1, "noise": "none", **given}
    goes_on(lambda: handlers.run("mine", **asked), said)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"selection": "77"}, "out of range"),
        ({"selection": "99999999999999999999"}, "out of range"),
        ({"selection": "-1"}, "-1"),
        ({"selection": "3-1"}, "3-1"),
        ({"selection": "a"}, "'a'"),
        ({"selection": "1,,3"}, "1,,3"),
        ({"selection": "1-"}, "1-"),
        ({"sites": "nowhere"}, "no site here is called 'nowhere'"),
        ({"sites": "mid,"}, "no site here is called ''"),
        ({"heads": "99"}, "heads '99'"),
        ({"heads": "many"}, "heads 'many'"),
        ({"mode": "mask"}, "no mode 'mask'"),
        ({"mode": None}, "no mode None"),
        ({"opacity": 2.0}, "opacity 2.0 is out of range"),
        ({"threshold": math.nan}, "threshold nan is out of range"),
        ({"opacity": None}, "opacity None is out of range"),
        ({"colormap": "jet"}, "'jet'"),
    ],
)
def test_a_picture_that_cannot_be_drawn(handlers: Handlers, goes_on: Any, given: dict[str, Any], said: str):
    goes_on(lambda: handlers.picture_file("mine", Asked(**given)), said)


@pytest.mark.parametrize(
    ("prompt", "seed", "said"),
    [("hat", -1, "seed -1"), ("hat", 0.5, "not a whole number"), ("hat", None, "not a whole number")],
)
def test_an_image_that_cannot_be_made(handlers: Handlers, goes_on: Any, prompt: str, seed: float, said: str):
    goes_on(lambda: handlers.paint("mine", prompt, seed), said)


def stored(image: Image.Image, path: Path, **options: Any) -> str:
    image.save(path, **options)
    return str(path)


STRANGE: dict[str, Callable[[Path], str]] = {
    "one pixel": lambda folder: stored(Image.new("RGB", (1, 1)), folder / "a.png"),
    "seven to one": lambda folder: stored(Image.new("RGB", (70, 10)), folder / "a.png"),
    "CMYK": lambda folder: stored(Image.new("CMYK", (30, 20)), folder / "a.jpg"),
    "palette": lambda folder: stored(Image.new("P", (30, 20)), folder / "a.png"),
    "16 bits": lambda folder: stored(Image.new("I;16", (30, 20), 40_000), folder / "a.png"),
    "grey": lambda folder: stored(Image.new("L", (30, 20)), folder / "a.png"),
    "alpha": lambda folder: stored(Image.new("RGBA", (30, 20)), folder / "a.png"),
    "moving": lambda folder: stored(
        Image.new("P", (30, 20)), folder / "a.gif", save_all=True, append_images=[Image.new("P", (30, 20), 1)]
    ),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_any_image_is_looked_at(handlers: Handlers, tmp_path: Path, kind: str):
    path = STRANGE[kind](tmp_path)
    handlers.check_image(path)
    assert handlers.run("mine", path, PROMPT, *PASS).summary
    assert Path(handlers.picture_file("mine", Asked("1"))).is_file()


def test_a_camera_s_image_is_taken(handlers: Handlers, tmp_path: Path):
    # The pass itself is test_visualize's: this model's latents are half as wide as the image.
    handlers.check_image(stored(Image.new("RGB", (8000, 6000)), tmp_path / "a.jpg"))


@pytest.mark.parametrize(
    "prompt", ["a 🎩 on a 🐈", "قبعة حمراء", "hat " * 300, "<b>hat</b> ${1} {{2}} \u202e neck"]
)
def test_any_words_are_looked_for(handlers: Handlers, photo: str, prompt: str):
    assert handlers.run("mine", photo, prompt, *PASS).summary
    assert handlers.picture("mine", Asked(mode="overlay")).size[0] > 0
    assert "vxa-chip-word" in handlers.chips(prompt)
