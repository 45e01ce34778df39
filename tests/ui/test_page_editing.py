"""Editing the prompt in the page, in Chromium: what was selected follows its words, or is said to be gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.browser import MARKS, box, chip, look, pressed, served, wait_until_shown
from support.replayed import PROMPT, make_backend, saved_maps, tokenize

from vxa.pictures.render import render
from vxa.tokens import Token

pytestmark = MARKS
LONGER = "a big red hat, neckerchief"
GONE = "'hat' is no longer in the prompt; it was deselected, and every word is shown"


@pytest.fixture(scope="module")
def gate() -> threading.Event:
    """What the tokenizer waits for."""
    open_gate = threading.Event()
    open_gate.set()
    return open_gate


@pytest.fixture(scope="module")
def address(image_file: Path, gate: threading.Event) -> Iterator[str]:
    def slow(prompt: str) -> Sequence[Token]:
        assert gate.wait(60)
        return tokenize(prompt)

    with served(lambda folder: replace(make_backend(image_file), tokenize=slow)) as address:
        yield address


def note(page: Any) -> Any:
    return page.locator("#vxa_noted [role=status]")


def wait_for_box(page: Any, text: str, name: str = "indices") -> None:
    page.wait_for_function(
        "([name, text]) => document.querySelector(`#${name} textarea, #${name} input`).value === text",
        arg=[f"vxa_{name}", text],
    )


def wait_for_word(page: Any, prompt: str, image_file: Path, mode: str = "overlay", **asked: Any) -> None:
    wait_until_shown(page, render(saved_maps(prompt), image_file, mode, **asked))


def test_a_selected_word_follows_its_word_by_mouse(page: Any, image_file: Path):
    look(page)
    chip(page, "hat").click()
    wait_for_word(page, PROMPT, image_file, tokens="3")
    page.fill("#vxa_prompt textarea", LONGER)
    wait_for_box(page, "4")
    assert pressed(page) == ["4"]
    wait_for_word(page, PROMPT, image_file, tokens="3")  # the picture is still that of the word
    page.wait_for_selector("#vxa_earlier [role=status]")
    page.click("#vxa_press")
    wait_for_word(page, LONGER, image_file, tokens="4")
    assert not page.locator("#vxa_noted").is_visible()  # nothing is to be said, and takes no room


def test_a_selected_word_follows_its_word_by_keyboard(page: Any, image_file: Path):
    page.wait_for_function("() => window.vxaPage")
    chip(page, "hat").focus()
    page.keyboard.press("Space")
    assert pressed(page) == ["3"]
    page.focus("#vxa_prompt textarea")
    page.keyboard.press("Home")
    for letter in "big blue ":
        page.keyboard.press(letter if letter != " " else "Space")
    wait_for_box(page, "5")
    assert pressed(page) == ["5"]
    page.keyboard.press("Shift+Enter")
    wait_for_word(page, f"big blue {PROMPT}", image_file, tokens="5")


def test_a_word_that_is_gone_is_deselected_and_said_and_comes_back(page: Any, image_file: Path):
    chip(page, "hat").click()
    page.fill("#vxa_prompt textarea", "a red scarf")
    note(page).wait_for()
    assert note(page).inner_text() == GONE
    assert (box(page).input_value(), pressed(page)) == ("", [])
    page.click("#vxa_press")
    wait_for_word(page, "a red scarf", image_file)
    assert note(page).inner_text() == GONE
    page.fill("#vxa_prompt textarea", "one hat")
    wait_for_box(page, "2")
    assert pressed(page) == ["2"]
    note(page).wait_for(state="detached")


def test_pressing_at_once_shows_the_word(page: Any, image_file: Path, gate: threading.Event):
    """The button is pressed before the server has said where the word went."""
    chip(page, "hat").click()
    gate.clear()
    try:
        page.fill("#vxa_prompt textarea", LONGER)
        page.click("#vxa_press")
        wait_for_word(page, LONGER, image_file, tokens="4")
        assert box(page).input_value() == "3"
    finally:
        gate.set()
    wait_for_box(page, "4")
    page.wait_for_timeout(1000)
    wait_for_word(page, LONGER, image_file, tokens="4")


def test_a_chip_chosen_while_its_answer_is_late_is_chosen_by_its_word(page: Any, gate: threading.Event):
    chip(page, "hat").click()
    gate.clear()
    try:
        page.fill("#vxa_prompt textarea", LONGER)
        chip(page, "neckerch").click()
        chip(page, "red").focus()
        page.keyboard.press("Enter")
        assert box(page).input_value() == "3"
    finally:
        gate.set()
    wait_for_box(page, "4, 6, 7, 3")
    assert pressed(page) == ["3", "4", "6, 7"]


def test_an_index_that_is_no_word_is_said_before_anything_runs(page: Any):
    box(page).fill("9")
    note(page).wait_for()
    assert note(page).inner_text() == "token 9 is padding, no word of the prompt"
    box(page).fill("99")
    note(page).filter(has_text="token 99 is not there").wait_for()
    box(page).fill("3")
    note(page).wait_for(state="detached")


def test_what_is_compared_follows_too(page: Any, image_file: Path):
    page.check("#vxa_mode input[value=difference]")
    chip(page, "hat").click()
    page.locator("#vxa_tokens_against .vxa-chip-word:has-text('red')").click()
    page.fill("#vxa_prompt textarea", LONGER)
    wait_for_box(page, "3", "against")
    wait_for_box(page, "4")
    look(page)
    wait_for_word(page, LONGER, image_file, "difference", tokens="4", against_tokens="3")


def test_a_ranking_is_of_the_prompt_as_it_is(page: Any):
    look(page)
    page.locator("#vxa_image img").click()
    page.wait_for_selector(".vxa-ranking li")
    page.fill("#vxa_prompt textarea", LONGER)
    page.wait_for_selector(".vxa-ranking li", state="detached")
    page.locator("#vxa_image img").click()
    page.wait_for_selector(".vxa-ranking li")
    page.locator(".vxa-ranking .vxa-chip", has_text="hat").click()
    assert (box(page).input_value(), pressed(page)) == ("4", ["4"])


def test_a_word_that_the_picture_has_not_is_one_sentence(page: Any, image_file: Path):
    look(page)
    page.fill("#vxa_prompt textarea", LONGER)
    chip(page, "big").click()
    page.wait_for_selector("#vxa_message [role=alert]:has-text(\"picture's prompt has no 'big'\")")
    page.click("#vxa_press")
    wait_for_word(page, LONGER, image_file, tokens="2")
    page.wait_for_selector("#vxa_message [role=alert]", state="detached")


def test_choosing_an_example_selects_nothing(page: Any, image_file: Path):
    page.fill("#vxa_prompt textarea", LONGER)
    chip(page, "big").click()
    page.locator("#vxa_examples button").first.click()
    wait_for_box(page, "")
    chip(page, "big").wait_for(state="detached")
    wait_for_word(page, PROMPT, image_file)
    chip(page, "red").click()
    wait_for_word(page, PROMPT, image_file, tokens="2")


def test_an_index_written_while_the_answer_is_late_is_of_the_prompt_as_it_is(
    page: Any, image_file: Path, gate: threading.Event
):
    chip(page, "hat").click()
    gate.clear()
    try:
        page.fill("#vxa_prompt textarea", LONGER)
        box(page).fill("2")
        page.click("#vxa_press")
        page.wait_for_timeout(500)
    finally:
        gate.set()
    wait_for_word(page, LONGER, image_file, tokens="2")
    chip(page, "big").wait_for()
    assert (box(page).input_value(), pressed(page)) == ("2", ["2"])
    page.fill("#vxa_prompt textarea", "big hat")
    wait_for_box(page, "1")


def test_a_pass_whose_picture_cannot_be_drawn_shows_none_of_another(page: Any, image_file: Path):
    look(page)
    page.fill("#vxa_prompt textarea", "a dog")
    chip(page, "dog").wait_for()
    box(page).fill("99")
    page.click("#vxa_press")
    page.wait_for_selector("#vxa_summary:has-text('“a dog”')")
    page.wait_for_selector("#vxa_message [role=alert]:has-text('out of range')")
    page.wait_for_selector("#vxa_picture img", state="detached")
    box(page).fill("2")
    wait_for_word(page, "a dog", image_file, tokens="2")
