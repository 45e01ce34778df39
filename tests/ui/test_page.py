"""The page as a person uses it, in Chromium, over a backend that replays maps.

Skipped, with the reason, where gradio, Playwright or Chromium is missing.
"""

from __future__ import annotations

import io
import shutil
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PROMPT, SIZE, make_backend, saved_maps  # type: ignore[import-not-found]
from PIL import Image

from vxa import read_maps
from vxa.render import render

pytest.importorskip("gradio", reason='gradio is not installed: pip install ".[app]"')
playwright = pytest.importorskip("playwright.sync_api", reason='Playwright is missing: pip install ".[test]"')
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
             "--disable-background-networking", "--disable-component-update"]  # fmt: skip
# gradio 6.31 opens an image to look at its mode and leaves it open; it counts its events with an old option
# of pandas 3. Both happen in its own threads.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),
]
PATIENCE = 60_000  # milliseconds: nothing here is timed, and machines may be busy


@pytest.fixture(scope="module")
def image_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    path = tmp_path_factory.mktemp("page") / "my cat.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def address(image_file: Path) -> Iterator[str]:
    from vxa.ui.app import start

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = start(lambda folder: make_backend(image_file), port=port)
    yield app.local_url
    app.close(verbose=False)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page, just opened, in a browser that reaches nothing else; there are no errors in its console."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    elsewhere: list[str] = []
    errors: list[str] = []

    def guard(route: Any) -> None:
        if route.request.url.startswith((address, "data:", "blob:")):
            return route.continue_()
        elsewhere.append(route.request.url)
        return route.abort()

    context.route("**/*", guard)
    opened = context.new_page()
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.set_default_timeout(PATIENCE)
    opened.goto(address)
    opened.wait_for_selector(".vxa-chip")
    yield opened
    context.close()
    assert (elsewhere, errors) == ([], [])


def chip(page: Any, text: str) -> Any:
    return page.locator(f"#vxa_tokens .vxa-chip-word:has-text('{text}')")


def box(page: Any) -> Any:
    return page.locator("#vxa_indices textarea, #vxa_indices input")


def pressed(page: Any) -> list[str]:
    chips = page.locator("#vxa_tokens .vxa-chip[aria-pressed=true]")
    return [chips.nth(number).get_attribute("data-indices") for number in range(chips.count())]


def look(page: Any) -> None:
    page.click("#vxa_press")
    page.wait_for_selector("#vxa_picture img")


def wait_for_picture(page: Any, image_file: Path, mode: str, **asked: Any) -> None:
    """Wait until the page's picture is, bit for bit, the library's own."""
    wanted = render(saved_maps(PROMPT), image_file, mode, **asked)
    for _ in range(600):
        body = page.request.get(page.locator("#vxa_picture img").get_attribute("src")).body()
        shown = Image.open(io.BytesIO(body))
        if shown.size == wanted.size and shown.convert("RGB").tobytes() == wanted.tobytes():
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"the page does not show {mode} {asked}")


def upload(page: Any, path: Path) -> None:
    page.click("#vxa_image button[aria-label='Remove Image']")
    page.set_input_files("#vxa_image input[type=file]", path)
    page.wait_for_selector("#vxa_image img")


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


def test_no_file_outside_the_apps_folders_can_be_fetched(address: str, tmp_path: Path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret", "utf-8")
    project = Path(__file__).parents[2] / "pyproject.toml"
    for path in (secret, project, Path("/etc/passwd")):
        for route in ("file=", "gradio_api/file=", "gradio_api/file/"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"{address}{route}{urllib.parse.quote(str(path))}")
            assert refused.value.code in (403, 404)
            refused.value.close()
