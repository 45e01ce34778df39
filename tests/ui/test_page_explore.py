"""Exploring in the page, in Chromium: comparing, timesteps, spots, pasting, and what is no longer so."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.browser import (
    MARKS,
    box,
    chip,
    look,
    opened,
    served,
    wait_for_picture,
    wait_until_shown,
)
from support.replayed import PASS, PROMPT, SIZE, make_backend, saved_maps

from vxa.pictures.render import render
from vxa.ui.asked import Asked
from vxa.ui.handlers import Handlers

pytestmark = MARKS


@pytest.fixture(scope="module")
def gate() -> threading.Event:
    """What the model waits for."""
    open_gate = threading.Event()
    open_gate.set()
    return open_gate


@pytest.fixture(scope="module")
def address(image_file: Path, gate: threading.Event) -> Iterator[str]:
    backend = make_backend(image_file)

    def run(image, prompt, timestep, noise, seed, progress, refine=False):  # type: ignore[no-untyped-def]
        assert gate.wait(60)
        return backend.run(image, prompt, timestep, noise, seed, progress, refine=refine)

    with served(lambda folder: replace(backend, run=run)) as address:
        yield address


def second(page: Any, text: str) -> Any:
    return page.locator(f"#vxa_tokens_against .vxa-chip-word:has-text('{text}')")


def write(page: Any, name: str, text: str) -> None:
    page.locator(f"#vxa_{name} textarea, #vxa_{name} input").first.fill(text)


def clear_focus(page: Any) -> None:
    page.evaluate("document.activeElement?.blur()")


def test_two_selections_are_compared_by_their_chips(page: Any, image_file: Path):
    assert not page.locator("#vxa_tokens_against").is_visible()
    look(page)
    page.check("#vxa_mode input[value=difference]")
    chip(page, "hat").click()
    second(page, "neckerch").focus()
    page.keyboard.press("Enter")
    wait_for_picture(page, image_file, "difference", tokens="3", against_tokens="5, 6")
    assert box(page).input_value() == "3"
    assert second(page, "neckerch").get_attribute("aria-pressed") == "true"
    assert second(page, "hat").get_attribute("aria-pressed") == "false"
    write(page, "against", "2")
    wait_for_picture(page, image_file, "difference", tokens="3", against_tokens="2")
    assert second(page, "red").get_attribute("aria-pressed") == "true"
    page.fill("#vxa_prompt textarea", "blue scarf")
    second(page, "scarf").wait_for()
    page.check("#vxa_mode input[value=grey]")
    second(page, "scarf").wait_for(state="hidden")


def test_timesteps_are_looked_at_when_asked(page: Any, image_file: Path):
    page.check("#vxa_mode input[value=timesteps]")
    write(page, "timesteps", "300, 1")
    chip(page, "hat").click()
    page.click("#vxa_look_at_timesteps")
    page.wait_for_selector("#vxa_picture img")
    passes = [saved_maps(PROMPT, timestep) for timestep in (300, 1)]
    wait_until_shown(page, render(passes, image_file, "timesteps", tokens="3"))
    chip(page, "hat").click()
    write(page, "heads", "1")
    wait_until_shown(page, render(passes, image_file, "timesteps", heads="1"))
    write(page, "timesteps", "1, x")
    page.click("#vxa_look_at_timesteps")
    page.wait_for_selector("#vxa_message [role=alert]:has-text('is not a whole number')")


def test_the_scale_and_the_resampling_are_chosen(page: Any, image_file: Path):
    look(page)
    page.click("#vxa_normalize input")
    page.click("[role=option]:has-text('minmax')")
    page.click("#vxa_resample input")
    page.click("[role=option]:has-text('nearest')")
    wait_for_picture(page, image_file, "overlay", normalize="minmax", resample="nearest")


def test_what_is_chosen_while_the_model_runs_is_shown(page: Any, image_file: Path, gate: threading.Event):
    look(page)
    gate.clear()
    try:
        page.click("#vxa_press")
        page.wait_for_selector("#vxa_picture [data-testid=status-tracker]:not(.hide)")
        chip(page, "hat").click()
        page.wait_for_timeout(1000)
    finally:
        gate.set()
    wait_for_picture(page, image_file, "overlay", tokens="3")
    page.wait_for_selector("#vxa_picture [data-testid=status-tracker].hide", state="attached")
    page.wait_for_timeout(1000)
    wait_for_picture(page, image_file, "overlay", tokens="3")


def test_an_answer_that_comes_too_late_is_dropped(handlers: Handlers, image_file: Path, monkeypatch: Any):
    gradio = pytest.importorskip("gradio")
    from vxa.ui.exploring import redrawn

    handlers.run("mine", str(image_file), PROMPT, *PASS)
    assert (
        redrawn(handlers, "mine", Asked("3")) == [gradio.update()] * 5
    )  # nobody has asked for a picture yet
    handlers.latest.ask("mine", Asked())
    assert Path(redrawn(handlers, "mine", Asked("3"))[0]["value"]).is_file()
    drawn = handlers.picture

    def overtaken(page: str, asked: Asked) -> Image.Image:
        handlers.latest.ask(page, Asked("2"))
        return drawn(page, asked)

    monkeypatch.setattr(handlers, "picture", overtaken)
    assert (
        redrawn(handlers, "mine", Asked("99"))
        == redrawn(handlers, "mine", Asked("3"))
        == [gradio.update()] * 5
    )


def test_what_the_picture_is_no_longer_of_is_said_until_the_next_pass(page: Any):
    said = page.locator("#vxa_earlier [role=status]")
    look(page)
    page.fill("#vxa_prompt textarea", "a blue scarf")
    said.filter(has_text=PROMPT).wait_for()
    chip(page, "scarf").click()
    page.wait_for_timeout(500)
    assert said.is_visible()
    page.click("#vxa_settings > button")
    page.check("#vxa_noise input[value=none]")
    said.filter(has_text="noise matched").wait_for()
    page.click("#vxa_press")
    said.wait_for(state="detached")
    page.fill("#vxa_prompt textarea", PROMPT)
    said.filter(has_text="a blue scarf").wait_for()
    page.fill("#vxa_prompt textarea", "a blue scarf")
    said.wait_for(state="detached")


def test_an_image_is_pasted_by_keyboard(browser: Any, address: str, tmp_path: Path):
    copy = """async (data) => {
        const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
        const item = new ClipboardItem({"image/png": new Blob([bytes], {type: "image/png"})});
        await navigator.clipboard.write([item]);
    }"""
    with opened(browser, address, permissions=["clipboard-read", "clipboard-write"]) as page:
        look(page)
        # Each time another one: of the image that is there, nothing is "before".
        for colour, removed in (("green", False), ("blue", True)):
            path = tmp_path / f"{colour}.png"
            Image.new("RGB", SIZE[::-1], colour).save(path)
            page.evaluate(copy, base64.b64encode(path.read_bytes()).decode())
            if removed:
                page.click("#vxa_image button[aria-label='Remove Image']")
                page.wait_for_selector("#vxa_image img", state="detached")
            clear_focus(page)
            page.keyboard.press("Control+V")
            page.wait_for_selector("#vxa_earlier :text('the image before')")
            page.wait_for_selector("#vxa_image img")
            page.click("#vxa_press")
            wait_for_picture(page, path, "overlay")
            page.wait_for_selector("#vxa_earlier [role=status]", state="detached")


def test_a_figure_of_one_cell_fits_a_phone(browser: Any, address: str):
    with opened(browser, address, viewport={"width": 390, "height": 844}) as page:
        look(page)
        box(page).fill("3")
        for mode, fits in (("words", True), ("matrix", True), ("sites", False)):
            before = page.evaluate("document.querySelector('#vxa_picture img').src")
            page.check(f"#vxa_mode input[value={mode}]")
            page.wait_for_function(
                "source => document.querySelector('#vxa_picture img').src !== source", arg=before
            )
            page.wait_for_timeout(500)
            shown = page.locator("#vxa_picture img").bounding_box()
            assert (shown["x"] + shown["width"] <= 390) == fits, (mode, shown)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_text_is_pasted_where_it_is_written(browser: Any, address: str):
    with opened(browser, address, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.evaluate("navigator.clipboard.writeText('a green scarf')")
        page.fill("#vxa_prompt textarea", "")
        page.focus("#vxa_prompt textarea")
        page.keyboard.press("Control+V")
        chip(page, "scarf").wait_for()
        assert page.locator("#vxa_image img").count() == 1


def test_a_click_on_the_picture_ranks_the_words_there_and_they_can_be_chosen(page: Any, image_file: Path):
    look(page)
    wait_for_picture(page, image_file, "overlay")
    page.locator("#vxa_picture img").click()
    page.wait_for_selector(".vxa-ranking li")
    by_picture = page.locator("#vxa_spot .vxa-hint").inner_text()
    ranked = page.locator(".vxa-ranking .vxa-chip")
    assert sorted(ranked.all_inner_texts()) == ["a", "hat", "neckerchief", "red"]
    ranked.filter(has_text="hat").focus()
    page.keyboard.press("Space")
    wait_for_picture(page, image_file, "overlay", tokens="3")
    assert chip(page, "hat").get_attribute("aria-pressed") == "true"
    assert ranked.filter(has_text="hat").get_attribute("aria-pressed") == "true"
    size = page.locator("#vxa_image img").bounding_box()
    page.locator("#vxa_image img").click(position={"x": size["width"] / 2 + 9, "y": size["height"] / 2 + 9})
    page.wait_for_function(
        "text => document.querySelector('#vxa_spot .vxa-hint').innerText !== text", arg=by_picture
    )
    page.check("#vxa_mode input[value=words]")
    wait_for_picture(page, image_file, "words", tokens="3")
    by_image = page.locator("#vxa_spot .vxa-hint").inner_text()
    page.locator("#vxa_picture img").click()
    page.wait_for_function(
        "text => document.querySelector('#vxa_spot .vxa-hint').innerText !== text", arg=by_image
    )
    page.locator("#vxa_picture img").click(position={"x": 2, "y": 2})
    page.wait_for_selector("#vxa_message [role=alert]:has-text('outside the image')")
