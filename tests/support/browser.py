"""A real browser for the tests of the page, and what a person does in it.

A test module asks for the fixtures `page` and `browser` of conftest.py and gives them an `address`:

    from support.browser import MARKS, chip, look, served

    pytestmark = MARKS

    @pytest.fixture(scope="module")
    def address(image_file):
        with served(lambda folder: make_backend(image_file)) as address:
            yield address
"""

from __future__ import annotations

import base64
import gc
import io
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.replayed import PROMPT, saved_maps
from support.serve import free_port
from vxa.pictures.render import render
from vxa.ui.backend import Backend

__all__ = [
    "MARKS",
    "PATIENCE",
    "box",
    "chip",
    "chromium",
    "clear",
    "drop",
    "look",
    "opened",
    "pressed",
    "served",
    "shown_picture",
    "upload",
    "wait_for_picture",
    "wait_until_shown",
]

PATIENCE = 60_000
"""Milliseconds: nothing here is timed, and machines may be busy."""

MARKS = [
    # gradio 6.31 opens an image to look at its mode and leaves it open; it counts its events with old
    # options of pandas 3. Both happen in its own threads.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
              "--disable-background-networking", "--disable-component-update"]  # fmt: skip


@contextmanager
def chromium() -> Iterator[Any]:
    """Start Debian's Chromium, headless, and close it after the block; the one set-up of all that drive it.

    Without Playwright or Chromium a test is skipped, and a program ended, with what to install."""
    playwright = pytest.importorskip("playwright.sync_api", reason='no Playwright: pip install ".[test]"')
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Any, address: str, hosts: Sequence[str] = (), ready: str = ".vxa-chip", **context: Any
) -> Iterator[Any]:
    """The page at the address, what is `ready` drawn; it reaches nothing else, and its console has no errors.

    `hosts` are what a host's own page asks for elsewhere; it does not get it, and goes on.
    """
    window = browser.new_context(**{"viewport": {"width": 1280, "height": 1000}, **context})
    elsewhere: list[str] = []
    errors: list[str] = []

    def guard(route: Any) -> None:
        if route.request.url.startswith((address, "data:", "blob:")):
            return route.continue_()
        if not route.request.url.startswith(tuple(hosts)):
            elsewhere.append(route.request.url)
        return route.abort()

    window.route("**/*", guard)
    page = window.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.wait_for_selector(ready)
    yield page
    window.close()
    assert (elsewhere, errors) == ([], [])


@contextmanager
def served(make_backend: Callable[[Path], Backend]) -> Iterator[str]:
    """The address of the app over the backend."""
    pytest.importorskip("gradio", reason='gradio is not installed: pip install ".[app]"')
    from vxa.ui.app import start

    with _loops_left_open():
        app = start(make_backend, port=free_port())
    yield app.local_url
    with _loops_left_open():
        app.close(verbose=False)


@contextmanager
def _loops_left_open() -> Iterator[None]:
    """Let go here of the event loops that gradio leaves open as it starts, lest a later test is blamed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


def chip(page: Any, text: str) -> Any:
    return page.locator(f"#vxa_tokens .vxa-chip-word:has-text('{text}')")


def box(page: Any) -> Any:
    return page.locator("#vxa_indices textarea, #vxa_indices input")


def pressed(page: Any) -> list[str]:
    """The indices of each chosen chip."""
    chips = page.locator("#vxa_tokens .vxa-chip[aria-pressed=true]")
    return [chips.nth(number).get_attribute("data-indices") for number in range(chips.count())]


def look(page: Any) -> None:
    """Press the button, and wait for a picture."""
    page.click("#vxa_press")
    page.wait_for_selector("#vxa_picture img")


def upload(page: Any, path: Path) -> None:
    clear(page)
    page.set_input_files("#vxa_image input[type=file]", path)
    page.wait_for_selector("#vxa_image img")


def drop(page: Any, path: Path) -> None:
    """Let go of the file over the image's place, as when it is dragged there."""
    clear(page)
    page.evaluate(_DROP, [path.name, base64.b64encode(path.read_bytes()).decode()])
    page.wait_for_selector("#vxa_image img")


_DROP = """async ([name, data]) => {
  const bytes = await (await fetch(`data:image/png;base64,${data}`)).arrayBuffer();
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, {type: "image/png"}));
  const place = document.querySelector("#vxa_image input[type=file]").parentElement;
  for (const kind of ["dragenter", "dragover", "drop"])
    place.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer}));
}"""


def clear(page: Any) -> None:
    """Take the image away: gradio 3 calls that Clear."""
    page.click("#vxa_image button[aria-label='Remove Image'], #vxa_image button[aria-label='Clear']")
    page.wait_for_selector("#vxa_image input[type=file]", state="attached")


def shown_picture(page: Any) -> Image.Image | None:
    """What the browser got for the picture, as it came; gradio 3 has it in the page itself.

    None for one that others have followed meanwhile: the server keeps the last few."""
    source = page.locator("#vxa_picture img").get_attribute("src")
    if source.startswith("data:"):
        return Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))
    answer = page.request.get(source)
    return Image.open(io.BytesIO(answer.body())) if answer.ok else None


def wait_for_picture(page: Any, image_file: Path, mode: str, **asked: Any) -> None:
    """Wait until the page's picture is, bit for bit, the library's own of the replayed maps."""
    wait_until_shown(page, render(saved_maps(PROMPT), image_file, mode, **asked))


def wait_until_shown(page: Any, wanted: Image.Image, within: int = 0) -> None:
    """Wait until the page's picture is a PNG with these pixels, each `within` so many levels of 255.

    Two generations on several threads are not the same to the last bit."""
    for _ in range(300):
        shown = shown_picture(page)
        if shown and shown.size == wanted.size:
            pixels = [np.asarray(one.convert("RGB"), int) for one in (shown, wanted)]
            if np.abs(pixels[0] - pixels[1]).max() <= within:
                assert shown.format == "PNG"
                return
        page.wait_for_timeout(200)
    raise AssertionError("the page does not show the library's picture")
