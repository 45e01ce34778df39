"""The page as a person uses it, in Chromium, over a backend that replays maps.

Skipped, with the reason, where gradio, Playwright or Chromium is missing.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.browser import (
    MARKS,
    box,
    chip,
    look,
    pressed,
    served,
    upload,
    wait_for_picture,
)
from support.replayed import PROMPT, SIZE, make_backend

from vxa import read_maps
from vxa.maps.heat_map import EDGES_THRESHOLD

pytestmark = MARKS


@pytest.fixture(scope="module")
def address(image_file: Path) -> Iterator[str]:
    with served(lambda folder: make_backend(image_file)) as address:
        yield address


def test_chips_follow_what_is_typed_and_what_is_typed_stays_text(page: Any):
    page.fill("#vxa_prompt textarea", "blue neckerchief ${1+1} {{2+2}} <i>x</i>")
    chip(page, "blue").wait_for()
    assert page.locator("#vxa_tokens i").count() == 0
    words = [
        word.split("\n")[0].rstrip("0123456789") for word in page.locator(".vxa-chip-word").all_inner_texts()
    ]
    assert words[2:5] == ["$", "{", ""]  # the third is 1, which is all digits as its index is
    assert {"+", "<", ">", "i", "x"} <= set(words)


def test_chips_and_the_box_choose_the_same_by_mouse_and_keyboard(page: Any):
    chip(page, "neckerch").click()
    assert (box(page).input_value(), pressed(page)) == ("5, 6", ["5, 6"])
    chip(page, "red").focus()
    page.keyboard.press("Space")
    assert (box(page).input_value(), pressed(page)) == ("5, 6, 2", ["2", "5, 6"])
    page.keyboard.press("Enter")
    assert pressed(page) == ["5, 6"]
    box(page).fill("1-3")
    assert pressed(page) == ["1", "2", "3"]


def test_one_pass_answers_for_other_words_modes_and_sites(page: Any, image_file: Path):
    look(page)
    wait_for_picture(page, image_file, "overlay")
    chip(page, "hat").click()
    wait_for_picture(page, image_file, "overlay", tokens="3")
    page.check("#vxa_mode input[value=masked]")
    wait_for_picture(page, image_file, "masked", tokens="3")
    page.click("#vxa_sites input")
    page.click("[role=option]:has-text('IN01')")
    wait_for_picture(page, image_file, "masked", tokens="3", sites="IN01")


def test_a_click_on_the_image_ranks_the_words_there(page: Any):
    look(page)
    page.wait_for_timeout(500)
    page.locator("#vxa_image img").click()
    page.wait_for_selector(".vxa-ranking li")
    ranked = page.locator(".vxa-ranking .vxa-chip").all_inner_texts()
    assert sorted(ranked) == ["a", "hat", "neckerchief", "red"]
    page.locator(".vxa-ranking .vxa-chip", has_text="red").click()
    assert box(page).input_value() == "2"


def test_what_is_taken_away_reads_back(page: Any, tmp_path: Path):
    look(page)
    page.click("#vxa_take > button")
    assert page.locator("#vxa_command textarea, #vxa_command input").input_value().startswith("vxa show")
    page.click("#vxa_save")
    page.wait_for_selector("#vxa_files a[href]")
    links = page.locator("#vxa_files a[href]")
    addresses = {links.nth(number).get_attribute("href") for number in range(links.count())}
    for address in addresses:
        name = urllib.parse.unquote(address.rpartition("/")[2])
        (tmp_path / name).write_bytes(page.request.get(address).body())
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["my-cat-mask.png", "my-cat-overlay.png", "my-cat.json", "my-cat.npz"]
    assert read_maps(tmp_path / "my-cat.npz").provenance.prompt == PROMPT


def test_the_files_of_a_picture_go_with_it(page: Any):
    look(page)
    page.click("#vxa_take > button")
    page.click("#vxa_save")
    page.wait_for_selector("#vxa_files a[href]")
    chip(page, "hat").click()  # another picture
    page.wait_for_selector("#vxa_files a[href]", state="detached")
    page.click("#vxa_save")
    page.wait_for_selector("#vxa_files a[href]")
    page.check("#vxa_edges input")  # another mask, with a usual threshold of its own
    told = f"--threshold {EDGES_THRESHOLD} --masks my-cat-masks --edges"
    command = "text => document.querySelector('#vxa_command textarea').value.includes(text)"
    page.wait_for_function(command, arg=told)
    page.wait_for_selector("#vxa_files a[href]", state="detached")
    page.uncheck("#vxa_edges input")
    page.wait_for_function(command, arg="--mode overlay --tokens 3 -o")


def test_a_mistake_is_one_sentence_and_the_page_goes_on(page: Any, image_file: Path):
    look(page)
    wait_for_picture(page, image_file, "overlay")
    box(page).fill("99")
    page.wait_for_selector("#vxa_message [role=alert]:has-text('out of range')")
    box(page).fill("3")
    wait_for_picture(page, image_file, "overlay", tokens="3")
    page.wait_for_selector("#vxa_message [role=alert]", state="detached")


def test_an_uploaded_image_is_looked_at(page: Any, tmp_path: Path):
    path = tmp_path / "another.png"
    Image.new("RGB", (SIZE[1], SIZE[0]), "green").save(path)
    upload(page, path)
    look(page)
    wait_for_picture(page, path, "overlay")


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(page: Any, width: int):
    page.set_viewport_size({"width": width, "height": 800})
    look(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_broken_image_is_one_sentence_and_the_page_stays_as_it_was(
    page: Any, image_file: Path, tmp_path: Path
):
    look(page)
    wait_for_picture(page, image_file, "overlay")
    broken = tmp_path / "words.png"
    broken.write_text("words", "utf-8")
    upload(page, broken)
    said = page.locator("#vxa_message [role=alert]")
    said.wait_for()
    assert said.inner_text().startswith("cannot read image 'words.png': it is not an image file; give a PNG")
    chip(page, "hat").click()  # the maps are still there
    wait_for_picture(page, image_file, "overlay", tokens="3")
    said.wait_for(state="detached")
    page.click("#vxa_press")
    said.wait_for()
    assert "'words.png': it is not an image file" in said.inner_text()
    upload(page, image_file)
    said.wait_for(state="detached")
    look(page)
    wait_for_picture(page, image_file, "overlay", tokens="3")
    assert page.locator(".toast-wrap .error, .toast-body.error").count() == 0


def test_an_image_too_large_to_upload_is_one_sentence(page: Any, image_file: Path, tmp_path: Path):
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(33 * 2**20)
    page.click("#vxa_image button[aria-label='Remove Image']")
    page.set_input_files("#vxa_image input[type=file]", large)
    page.get_by_text('exceed the maximum allowed size of 32.0 Mb: "large.png"').first.wait_for()
    page.set_input_files("#vxa_image input[type=file]", image_file)
    page.wait_for_selector("#vxa_image img")
    look(page)
    wait_for_picture(page, image_file, "overlay")
