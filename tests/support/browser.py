"""A real browser for the tests of the page, and a user's actions in it.

A test module uses the fixtures `page` and `browser` of conftest.py, and defines the fixture `address`:

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
"""Milliseconds; long, since machines may be busy and no test measures time."""

MARKS = [
    pytest.mark.browser,
    # gradio 6.31 opens an image to read its mode and leaves it open; it counts its events with pandas
    # options that pandas 3 deprecates. Both happen in its own threads.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
              "--disable-background-networking", "--disable-component-update"]  # fmt: skip


@contextmanager
def chromium() -> Iterator[Any]:
    """Start Debian's Chromium, headless, and close it after the block.

    Without Playwright or Chromium a test is skipped, and a program ends, with what to install.
    """
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
    """Open the page at the address, and wait for the selector `ready`.

    After the block, assert that the page requested nothing from elsewhere and that no script failed. `hosts`
    are the addresses that a host's own page may request; those requests are aborted, too.
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
    """Serve the app over the backend, and yield its address."""
    pytest.importorskip("gradio", reason='gradio is not installed: pip install ".[app]"')
    from vxa.ui.app import start

    with _loops_left_open():
        app = start(make_backend, port=free_port())
    yield app.local_url
    with _loops_left_open():
        app.close(verbose=False)


@contextmanager
def _loops_left_open() -> Iterator[None]:
    """Collect the event loops that gradio leaves open as it starts, lest a later test gets their warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


def chip(page: Any, text: str) -> Any:
    return page.locator(f"#vxa_tokens .vxa-chip-word:has-text('{text}')")


def box(page: Any) -> Any:
    return page.locator("#vxa_indices textarea, #vxa_indices input")


def pressed(page: Any) -> list[str]:
    """Return the indices of each chosen chip."""
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
    """Drop the file on the image's box, as if it were dragged there."""
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
    """Remove the image; in gradio 3 the button is called Clear."""
    page.click("#vxa_image button[aria-label='Remove Image'], #vxa_image button[aria-label='Clear']")
    page.wait_for_selector("#vxa_image input[type=file]", state="attached")


def shown_picture(page: Any) -> Image.Image | None:
    """Return the picture as the browser received it; gradio 3 has it as data in the page.

    Returns None if newer ones have replaced it, also while it is sent: the server keeps the last few alone.
    """
    from playwright.sync_api import Error

    source = page.locator("#vxa_picture img").get_attribute("src")
    if source.startswith("data:"):
        return Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))
    try:
        answer = page.request.get(source)
    except Error as error:
        if "aborted" in str(error):
            return None
        raise
    return Image.open(io.BytesIO(answer.body())) if answer.ok else None


def wait_for_picture(page: Any, image_file: Path, mode: str, **asked: Any) -> None:
    """Wait until the page's picture is, bit for bit, that of the library for the replayed maps."""
    wait_until_shown(page, render(saved_maps(PROMPT), image_file, mode, **asked))


def wait_until_shown(page: Any, wanted: Image.Image, within: int = 0) -> None:
    """Wait until the page's picture is a PNG whose pixels differ by at most `within` of 255 levels.

    Two generations on several threads differ in the last bits.
    """
    for _ in range(300):
        shown = shown_picture(page)
        if shown and shown.size == wanted.size:
            pixels = [np.asarray(one.convert("RGB"), int) for one in (shown, wanted)]
            if np.abs(pixels[0] - pixels[1]).max() <= within:
                assert shown.format == "PNG"
                return
        page.wait_for_timeout(200)
    raise AssertionError("the page does not show the library's picture")
