"""The tab in a page like a webui's, under gradio 3.41.2, in Chromium: send, offer, use, save.

page.py serves it, over saved maps, in the environment of the page's own tests (environments.py).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support import SUPPORT
from support.browser import MARKS, chromium, opened
from support.environments import CannotMake, borrowed, python_of
from support.page import PROMPTS
from support.running import value, wait_for_value

from vxa import load, visualize, write_maps
from vxa.io.infotext import read_infotext
from vxa.ui.assets import asset

pytestmark = MARKS
HOSTS = ("https://cdnjs.cloudflare.com/", "https://fonts.googleapis.com/")
PROMPT = PROMPTS[1]
OWN = "the words that I typed"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the README's figure and papercut's maps of it."""
    made = tmp_path_factory.mktemp("saved")
    path = Path(shutil.copy(asset("examples/figure.png"), made))
    write_maps(visualize(load("papercut"), path, PROMPT), path.with_suffix(".npz"))
    return made


@pytest.fixture(scope="module")
def address(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        python = python_of("3.41.2")
    except CannotMake as reason:
        pytest.skip(f"no environment with gradio 3.41.2: {reason}")
    work = tmp_path_factory.mktemp("server")
    command = [python, str(SUPPORT / "page.py"), str(folder)]
    with (
        (work / "log.txt").open("w+") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            env={**os.environ, "PYTHONPATH": str(borrowed(work)), "PYTHONNOUSERSITE": "1"},
        ) as server,
    ):  # fmt: skip
        assert server.stdin is not None
        assert server.stdout is not None
        lines = iter(server.stdout.readline, "")
        found = next((line.strip() for line in lines if line.startswith("http")), None)
        assert found, (work / "log.txt").read_text()
        yield found
        server.stdin.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    with opened(browser, address, hosts=HOSTS, ready="#txt2img_send_to_vxa") as page:
        yield page


def open_tab(page: Any) -> None:
    page.click("#tabs > .tab-nav button:has-text('VXA')")
    page.wait_for_selector("#vxa_prompt textarea", state="visible")


def give(page: Any, path: Path) -> None:
    if page.locator("#vxa_image button[aria-label='Clear']").count():
        page.click("#vxa_image button[aria-label='Clear']")
    page.set_input_files("#vxa_image input[type=file]", path)
    page.wait_for_selector("#vxa_image img")


def width_of_the_image(page: Any) -> int:
    found: int = page.evaluate(
        "async () => { const image = document.querySelector('#vxa_image img'); await image.decode();"
        " return image.naturalWidth; }"
    )
    return found


def test_the_chosen_image_goes_over_with_its_prompt_and_seed_by_keyboard(page: Any) -> None:
    page.click("#txt2img_gallery .thumbnail-item.thumbnail-small >> nth=1")
    page.focus("#txt2img_send_to_vxa")
    page.keyboard.press("Enter")
    page.wait_for_selector("#vxa_prompt textarea", state="visible")
    wait_for_value(page, "vxa_prompt", PROMPT)
    wait_for_value(page, "vxa_noise_seed", "41")
    page.wait_for_selector("#vxa_tokens .vxa-chip-word:has-text('hat')")
    page.wait_for_function("document.activeElement.id === 'vxa_press'")
    page.wait_for_timeout(1000)
    assert width_of_the_image(page) == 72
    assert not page.locator("#vxa_offered").is_visible()  # the page has the prompt already


def test_sending_again_takes_the_other_image_and_drops_the_words_chosen_before(page: Any) -> None:
    page.click("#txt2img_gallery .thumbnail-item.thumbnail-small >> nth=1")
    page.click("#txt2img_send_to_vxa")
    wait_for_value(page, "vxa_noise_seed", "41")  # what is chosen before that is of the prompt before
    page.click("#vxa_tokens .vxa-chip-word:has-text('hat')")
    wait_for_value(page, "vxa_indices", "6")
    page.click("#tabs > .tab-nav button:has-text('txt2img')")
    page.click("#txt2img_gallery .thumbnail-item.thumbnail-small >> nth=2")
    page.click("#txt2img_send_to_vxa")
    wait_for_value(page, "vxa_prompt", PROMPTS[2])  # with the saved style, which the webui removes
    wait_for_value(page, "vxa_indices", "")
    wait_for_value(page, "vxa_noise_seed", "42")


def test_a_saved_picture_offers_what_made_it_and_overwrites_nothing_unasked(
    page: Any, folder: Path, tmp_path: Path
) -> None:
    open_tab(page)
    page.click("#vxa_tokens .vxa-chip-word:has-text('hat')")
    page.click("#vxa_press")
    page.wait_for_selector("#vxa_picture img")
    page.check("#vxa_mode input[value=contour]")
    page.click("#vxa_take > .label-wrap")
    page.click("#vxa_keep")
    page.wait_for_selector("#vxa_kept [role=status]")
    saved = folder / "outputs" / "vxa-images" / page.inner_text("#vxa_kept code")
    made = read_infotext(saved)
    assert made is not None
    assert (made.prompt, made.settings["VXA words"], made.settings["VXA mode"]) == (PROMPT, "hat", "contour")
    page.reload()
    open_tab(page)
    page.fill("#vxa_prompt textarea", OWN)
    give(page, saved)
    page.wait_for_selector("#vxa_use", state="visible")
    assert PROMPT in page.inner_text("#vxa_offer")
    assert (value(page, "vxa_prompt"), value(page, "vxa_indices")) == (OWN, "")
    page.focus("#vxa_use")
    page.keyboard.press("Enter")
    wait_for_value(page, "vxa_prompt", PROMPT)
    wait_for_value(page, "vxa_indices", "6")
    assert page.is_checked("#vxa_mode input[value=contour]")
    page.wait_for_selector("#vxa_use", state="hidden")
    page.fill("#vxa_prompt textarea", OWN)
    page.wait_for_selector("#vxa_use", state="visible")
    plain = tmp_path / "plain.png"
    Image.new("RGB", (64, 64), "green").save(plain)
    give(page, plain)
    page.wait_for_selector("#vxa_use", state="hidden")
    assert value(page, "vxa_prompt") == OWN


def test_an_infotext_in_the_prompt_is_taken_apart(page: Any) -> None:
    open_tab(page)
    page.fill(
        "#vxa_prompt textarea", f"{PROMPT}\nSteps: 4, Seed: 43, VXA version: 0, VXA mode: grey, VXA tokens: 6"
    )
    page.wait_for_selector("#vxa_use", state="visible")
    page.click("#vxa_use")
    wait_for_value(page, "vxa_prompt", PROMPT)
    wait_for_value(page, "vxa_indices", "6")
    wait_for_value(page, "vxa_noise_seed", "43")
    assert page.is_checked("#vxa_mode input[value=grey]")
    page.wait_for_selector("#vxa_use", state="hidden")


def test_every_pass_is_saved_where_the_settings_say_so(page: Any, folder: Path) -> None:
    open_tab(page)
    before = set(folder.glob("outputs/**/*.png"))
    (folder / "keep-all").touch()
    try:
        page.click("#vxa_press")
        page.wait_for_selector("#vxa_kept [role=status]", state="attached")
        (saved,) = set(folder.glob("outputs/**/*.png")) - before
    finally:
        (folder / "keep-all").unlink()
    assert read_infotext(saved) is not None
    page.click("#vxa_press")
    page.wait_for_selector("#vxa_kept [role=status]", state="detached")
    assert set(folder.glob("outputs/**/*.png")) - before == {saved}
