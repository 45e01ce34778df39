"""Layout: hand-computed sizes, and text that always fits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from vxa.pictures import layout as drawing
from vxa.pictures.layout import GROUND, above, beside, colour_bar, framed, grid, shorten, spread, text

BITMAP = getattr(ImageFont, "load_default_imagefont", ImageFont.load_default)()


@pytest.fixture(params=["scalable", "bitmap"])
def font(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """Use each of Pillow's two fonts: before 10.1 it has only the bitmap font."""
    if request.param == "bitmap":
        monkeypatch.setattr(drawing, "_font", lambda size: BITMAP)
    drawing._text_mask.cache_clear()
    yield request.param
    drawing._text_mask.cache_clear()


def box(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), (0, 0, 0))


def test_sizes_of_columns_rows_and_frames() -> None:
    assert above([box(3, 2), box(5, 4)], gap=1).size == (5, 7)
    assert beside([box(3, 2), box(5, 4)], gap=1).size == (9, 4)
    assert framed(box(3, 2), margin=4).size == (11, 10)
    assert grid([box(3, 2)] * 5, columns=2, gap=1).size == (7, 8)


def test_a_grid_is_read_in_rows() -> None:
    cells = [Image.new("RGB", (1, 1), (n, n, n)) for n in range(3)]
    picture = np.asarray(grid(cells, columns=2, gap=0))
    assert picture[:, :, 0].tolist() == [[0, 1], [2, GROUND[0]]]


def test_a_row_aligned_at_the_bottom() -> None:
    picture = np.asarray(beside([box(1, 1), box(1, 3)], gap=0, align="bottom"))
    assert picture[:, 0, 0].tolist() == [255, 255, 0]


def test_spread_keeps_both_ends() -> None:
    line = np.asarray(spread(box(2, 1), box(1, 2), width=6))
    assert line[:, :, 0].tolist() == [[255, 255, 255, 255, 255, 0], [0, 0, 255, 255, 255, 0]]


def test_text_is_drawn_and_lines_are_equally_high(font: str) -> None:
    low, tall = text("a", 14), text("Ágj", 14)
    assert low.height == tall.height
    assert np.asarray(low).min() < 128


@pytest.mark.parametrize(
    "string", ["", " ", "a\nb", "\x00\x1f", "🎩 hat", "قبعة", "帽子", "é" * 300, "\ud800"]
)
def test_any_text_fits(font: str, string: str) -> None:
    assert 1 <= text(string, 14, width=80).width <= 81


@given(st.text(max_size=60), st.integers(30, 300))
@settings(max_examples=60, deadline=None)
def test_text_is_cut_to_its_width(string: str, width: int) -> None:
    cut = shorten(string, 13, width)
    assert cut == string or cut.endswith("…")
    assert text(string, 13, width).width <= width


def test_a_long_word_ends_in_an_ellipsis(font: str) -> None:
    cut = shorten("antidisestablishmentarianism", 14, 100)
    assert cut.endswith("…")
    assert cut.startswith("anti")
    assert shorten("hat", 14, 100) == "hat"


def test_the_bitmap_font_grows_with_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_font", lambda size: BITMAP)
    drawing._text_mask.cache_clear()
    assert text("hat", 33).height == 3 * text("hat", 11).height
    drawing._text_mask.cache_clear()


@pytest.mark.parametrize(
    "installed",
    [
        (),
        ("arial.ttf",),
        ("DejaVuSans.ttf", "arial.ttf"),
        ("segoeui.ttf",),
        ("Arial.ttf",),
        ("Helvetica.ttc",),
    ],
)
def test_an_older_pillow_takes_a_font_of_the_system(
    installed: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def truetype(name: str, size: int) -> object:
        if name not in installed:
            raise OSError("cannot open resource")
        return name, size

    monkeypatch.setattr(ImageFont, "load_default", lambda: BITMAP)
    monkeypatch.setattr(ImageFont, "truetype", truetype)
    drawing._font.cache_clear()
    assert drawing._font(14) == ((installed[0], 14) if installed else BITMAP)
    drawing._font.cache_clear()


def test_a_pillow_without_freetype_has_a_bitmap_font(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_freetype(*given: object) -> object:
        if given:
            raise ImportError("The _imagingft C module is not installed")
        return BITMAP

    monkeypatch.setattr(ImageFont, "load_default", no_freetype)
    monkeypatch.setattr(ImageFont, "truetype", no_freetype)
    drawing._font.cache_clear()
    assert drawing._font(14) is BITMAP
    drawing._font.cache_clear()


def test_the_labels_of_a_colour_bar_are_spread_evenly() -> None:
    bar = np.asarray(colour_bar("balance", 121, ("I", "I", "I"), size=12).convert("L"))
    rows = np.flatnonzero((bar[:, 18:] < 200).any(axis=1))
    marks = [group.mean() for group in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)]
    assert len(marks) == 3
    assert marks[1] == pytest.approx((marks[0] + marks[2]) / 2, abs=1)


def test_the_colour_bar_is_light_at_the_top() -> None:
    bar = np.asarray(colour_bar("inferno", 100, ("0", "0.5"), size=12)).astype(int)
    assert bar.shape[0] == 100
    assert bar[0, 0].sum() > bar[50, 0].sum() > bar[99, 0].sum()
