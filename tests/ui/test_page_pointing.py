"""Pointing at a chip, by mouse and by keyboard, in Chromium: its word is shown over the picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.browser import (
    MARKS,
    box,
    chip,
    look,
    opened,
    pressed,
    served,
    wait_for_picture,
)
from support.replayed import PROMPT, make_backend, saved_maps

from vxa.pictures.render import render

pytestmark = MARKS
POINTED = "#vxa_picture .vxa-peek"


@pytest.fixture(scope="module")
def address(image_file: Path) -> Iterator[str]:
    with served(lambda folder: make_backend(image_file)) as address:
        yield address


def pointed_at(page: Any, image_file: Path, mode: str, tokens: str) -> None:
    """Wait until the picture of these tokens lies over the page's, and is as large."""
    page.wait_for_selector(POINTED)
    wanted = render(saved_maps(PROMPT), image_file, mode, tokens=tokens)
    source = page.evaluate(f"getComputedStyle(document.querySelector('{POINTED}')).backgroundImage")
    shown = Image.open(io.BytesIO(base64.b64decode(source.partition("base64,")[2].rstrip('")'))))
    difference = np.asarray(shown.convert("RGB"), int) - np.asarray(wanted, int)
    assert np.abs(difference).mean() < 6  # a JPEG
    (over, under) = (page.locator(one).bounding_box() for one in (POINTED, "#vxa_picture img"))
    assert over == pytest.approx(under, abs=1)


def test_a_chip_that_is_pointed_at_shows_its_word_and_changes_nothing(page: Any, image_file: Path):
    chip(page, "hat").hover()
    page.wait_for_timeout(500)
    assert page.locator(POINTED).count() == 0  # there are no maps yet
    look(page)
    chip(page, "red").click()
    wait_for_picture(page, image_file, "overlay", tokens="2")
    assert page.locator(POINTED).count() == 0
    chip(page, "hat").hover()
    pointed_at(page, image_file, "overlay", "3")
    assert (box(page).input_value(), pressed(page)) == ("2", ["2"])
    chip(page, "neckerch").hover()
    page.wait_for_selector(POINTED, state="detached")
    pointed_at(page, image_file, "overlay", "5, 6")
    page.mouse.move(5, 5)
    page.wait_for_selector(POINTED, state="detached")
    wait_for_picture(page, image_file, "overlay", tokens="2")


def test_the_keyboards_chip_shows_its_word_too(page: Any, image_file: Path):
    look(page)
    page.check("#vxa_mode input[value=grey]")
    wait_for_picture(page, image_file, "grey")
    chip(page, "red").focus()
    page.keyboard.press("Tab")
    pointed_at(page, image_file, "grey", "3")
    page.keyboard.press("Escape")
    page.wait_for_selector(POINTED, state="detached")
    page.keyboard.press("Shift+Tab")
    pointed_at(page, image_file, "grey", "2")
    page.keyboard.press("Space")
    page.wait_for_selector(POINTED, state="detached")
    wait_for_picture(page, image_file, "grey", tokens="2")


def test_a_finger_does_not_point(browser: Any, address: str, image_file: Path):
    with opened(browser, address, has_touch=True, viewport={"width": 390, "height": 844}) as page:
        page.tap("#vxa_press")
        page.wait_for_selector("#vxa_picture img")
        chip(page, "hat").tap()
        wait_for_picture(page, image_file, "overlay", tokens="3")
        page.wait_for_timeout(500)
        assert page.locator(POINTED).count() == 0


def test_moving_over_the_chips_asks_once_for_the_last(page: Any, image_file: Path):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.post_data or ""))
    look(page)
    for _ in range(3):
        for word in ("red", "hat", "neckerch"):
            chip(page, word).hover(force=True)
    pointed_at(page, image_file, "overlay", "5, 6")
    assert sum(" #" in data for data in asked) <= 3
