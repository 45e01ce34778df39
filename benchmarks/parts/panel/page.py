"""The harness's page in Chromium, and a stopwatch in it.

The clock starts with the first event of an action (click, key, input) and stops with the frame after its
result is in the page; Playwright's own time is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

from support.browser import chromium, served
from support.serve import free_port

from parts.panel.harness import Harness

__all__ = [
    "NEW_CHIPS", "NEW_PICTURE", "choose_site", "find_chip", "open_another_page", "open_bare_page",
    "open_page", "time_action", "upload",
]  # fmt: skip

PATIENCE = 600_000  # milliseconds

NEW_PICTURE = """() => {
    const shown = document.querySelector("#vxa_picture img");
    return shown && shown.complete && shown.naturalWidth ? shown.src : "";
}"""
NEW_CHIPS = """() => document.querySelector("#vxa_tokens").textContent"""

_ARM = """(result) => {
    const read = eval(result), before = read(), watch = {};
    window.vxaWatch = watch;
    const begin = (event) => { watch.start ??= event.timeStamp; };
    for (const kind of ["mousedown", "keydown", "click", "input", "change"])
        document.addEventListener(kind, begin, { capture: true });
    const frame = () => {
        const now = read();
        if (watch.start !== undefined && now && now !== before) watch.end = performance.now();
        else requestAnimationFrame(frame);
    };
    frame();
}"""


@contextmanager
def open_page(harness: Harness) -> Iterator[Any]:
    """Open the harness's page; it has no picture yet."""
    with served(lambda folder: harness.backend) as address, chromium() as browser:
        page = _open(browser, address)
        page.wait_for_selector(".vxa-chip")
        yield page


@contextmanager
def open_bare_page(pictures: Sequence[Path]) -> Iterator[Any]:
    """Open a page of gradio's with a button and a picture: each press shows the next of the given files.

    Its elem_ids are those of our page, so that the same actions and the same stopwatch work on it.
    """
    import gradio as gr

    files = cycle(map(str, pictures))
    with gr.Blocks(analytics_enabled=False) as blocks:
        button = gr.Button("Show", elem_id="vxa_press")
        picture = gr.Image(type="filepath", format="png", elem_id="vxa_picture")
        button.click(lambda: next(files), None, picture)
    blocks.launch(server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, quiet=True,
                  share=False, ssr_mode=False, footer_links=[])  # fmt: skip
    with chromium() as browser:
        page = _open(browser, blocks.local_url)
        page.wait_for_selector("#vxa_press")
        yield page
    blocks.close(verbose=False)


def open_another_page(page: Any) -> Any:
    """Open one more page of the same app."""
    other = _open(page.context.browser, page.url)
    other.wait_for_selector(".vxa-chip")
    return other


def _open(browser: Any, address: str) -> Any:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    return page


def time_action(page: Any, act: Callable[[], object], result: str = NEW_PICTURE) -> float:
    """Return the milliseconds from the action's first event until the script `result` gives another value."""
    page.evaluate(_ARM, result)
    act()
    page.wait_for_function("() => window.vxaWatch.end !== undefined")
    return float(page.evaluate("() => window.vxaWatch.end - window.vxaWatch.start"))


def upload(page: Any, image: Path) -> None:
    """Replace the page's image."""
    page.click("#vxa_image button[aria-label='Remove Image']")
    page.set_input_files("#vxa_image input[type=file]", image)
    page.wait_for_selector("#vxa_image img")


def find_chip(page: Any, word: str) -> Any:
    """Return the first chip of a word."""
    return page.locator(f"#vxa_tokens .vxa-chip-word:has-text('{word}')").first


def choose_site(page: Any, name: str) -> Callable[[], None]:
    """Open the list of sites, and return the action that chooses from it."""
    page.click("#vxa_sites input")
    option = page.locator(f"[role=option]:has-text('{name}')").first
    option.wait_for()
    return lambda: option.click()
