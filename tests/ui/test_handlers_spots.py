"""A click, in the image or in any cell of a figure, to the words at that spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.replayed import PASS, PROMPT, SIZE, saved_maps

from vxa import SettingError
from vxa.ui.asked import Asked
from vxa.ui.handlers import Handlers
from vxa.ui.spot import spot_html


def test_the_words_at_a_spot_are_ranked_by_their_maps_there(handlers: Handlers, page_id: str):
    spot = handlers.words_at(page_id, Asked(sites="down 12×8 · IN01", heads="1"), x=10, y=90)
    ranked = spot.words
    assert (spot.x, spot.y, spot.where) == (10, 90, "IN01 · t = 50")
    assert "the probability with which" in spot_html(spot)
    assert sorted(word.text for word, _ in ranked) == ["a", "hat", "neckerchief", "red"]
    values = [value for _, value in ranked]
    assert values == sorted(values, reverse=True)
    for word, value in ranked:
        heat = saved_maps(PROMPT).heat_map(tokens=word.tokens, sites="IN01", heads="1")
        assert value == pytest.approx(float(heat.upsampled()[90, 10]), rel=1e-6)


@pytest.mark.parametrize(("x", "y"), [(SIZE[1], 0), (0, SIZE[0]), (-1, 5)])
def test_a_spot_beside_the_image_is_refused(handlers: Handlers, page_id: str, x: int, y: int):
    with pytest.raises(SettingError, match="outside the image"):
        handlers.words_at(page_id, Asked(), x, y)


@pytest.mark.parametrize("mode", ["masked", "grey", "overlay", "contour"])
def test_a_spot_of_the_picture_is_found_in_the_image(handlers: Handlers, page_id: str, mode: str):
    """One bright pixel of the image is where the picture, at opacity 0 or whole mask, is bright."""
    row, column = 70, 20
    kept = handlers.pages.get(page_id)
    white = np.zeros((*SIZE, 3), np.uint8)
    white[row - 2 : row + 3, column - 2 : column + 3] = 255
    object.__setattr__(kept, "image", Image.fromarray(white))
    asked = Asked("3", mode=mode, opacity=0.0, threshold=0.0)
    picture = np.asarray(handlers.picture(page_id, asked).convert("L"), np.float32)
    if mode in ("masked", "grey"):
        spot = (row, column)
    else:
        height, width = picture.shape
        inner = picture[height // 4 : -40, 40 : width // 2]  # no caption, no margin, no bar
        down, across = np.argwhere(inner > inner.max() * 0.9).mean(axis=0)
        spot = (round(down + height // 4), round(across + 40))
    handlers.picture_file(page_id, asked)
    found = handlers.words_in_picture(page_id, asked, spot[1], spot[0])
    assert abs(found.x - column) <= 1
    assert abs(found.y - row) <= 1


@pytest.mark.parametrize(
    ("mode", "wheres"),
    [
        ("words", ["M00 · t = 50"] * 4),
        ("sites", ["IN01 · t = 50", "M00 · t = 50"]),
        ("matrix", ["IN01 · t = 50", "M00 · t = 50"] * 4),
        ("difference", ["M00 · t = 50"] * 3),
        ("timesteps", ["M00 · t = 50", "M00 · t = 300"]),
    ],
)
def test_every_cell_of_a_figure_knows_its_spot(
    handlers: Handlers, page_id: str, image_file: Path, mode: str, wheres: list[str]
):
    """A white image but for one black pixel, which is what each cell is darkest at."""
    handlers.run_timesteps(page_id, str(image_file), PROMPT, *PASS, "50, 300")
    kept = handlers.pages.get(page_id)
    row, column = 60, 20
    pixels = np.full((*SIZE, 3), 255, np.uint8)
    pixels[row - 3 : row + 4, column - 3 : column + 4] = 0
    object.__setattr__(kept, "image", Image.fromarray(pixels))
    asked = Asked(mode=mode, opacity=0.0)
    picture = np.asarray(Image.open(handlers.picture_file(page_id, asked)).convert("L"), int)
    shown = handlers.pictures.image_regions(page_id)
    assert len(shown) == len(wheres)
    for window, where in zip(shown, wheres, strict=True):
        cell = picture[window.top : window.top + window.height, window.left : window.left + window.width]
        down, across = np.argwhere(cell < 60).mean(axis=0)
        at = (round(window.left + across), round(window.top + down))
        found = handlers.words_in_picture(page_id, asked, *at)
        assert (abs(found.x - column) <= 2, abs(found.y - row) <= 2, found.where) == (True, True, where)


def test_in_a_cell_of_a_site_the_words_are_ranked_there(handlers: Handlers, page_id: str):
    handlers.picture_file(page_id, Asked("3", mode="matrix"))
    window = handlers.pictures.image_regions(page_id)[0]
    found = handlers.words_in_picture(page_id, Asked("3", mode="matrix"), window.left + 5, window.top + 5)
    assert found == handlers.words_at(page_id, Asked(sites="IN01"), found.x, found.y)


@pytest.mark.parametrize("mode", ["words", "sites", "matrix", "overlay"])
def test_a_click_beside_the_image_in_the_picture_is_refused(handlers: Handlers, page_id: str, mode: str):
    handlers.picture_file(page_id, Asked(mode=mode))
    with pytest.raises(SettingError, match="outside the image"):
        handlers.words_in_picture(page_id, Asked(mode=mode), 2, 2)
