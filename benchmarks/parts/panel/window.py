"""The page in Chromium, over the same desk, and a stopwatch in it.

The clock starts with the first event of the person's hand (click, key, input) and stops with the frame after
what they wait for is there; Playwright's own time is not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

from support.browser import chromium, served
from support.serve import free_port

from parts.panel.desk import Desk

__all__ = [
    "NEW_CHIPS", "NEW_PICTURE", "another_window", "bare_window", "chip", "choose_site", "give", "stopwatch",
    "window",
]  # fmt: skip

PATIENCE = 600_000  # milliseconds

NEW_PICTURE = """() => {
    const shown = document.querySelector("#vxa_picture img");
    return shown && shown.complete && shown.naturalWidth ? shown.src : "";
}"""
NEW_CHIPS = """() => document.querySelector("#vxa_tokens").textContent"""

_ARM = """(seen) => {
    const look = eval(seen), before = look(), watch = {};
    window.vxaWatch = watch;
    const begin = (event) => { watch.start ??= event.timeStamp; };
    for (const kind of ["mousedown", "keydown", "click", "input", "change"])
        document.addEventListener(kind, begin, { capture: true });
    const frame = () => {
        const now = look();
        if (watch.start !== undefined && now && now !== before) watch.end = performance.now();
        else requestAnimationFrame(frame);
    };
    frame();
}"""


@contextmanager
def window(desk: Desk) -> Iterator[Any]:
    """The desk's page, open; its picture is not yet there."""
    with served(lambda folder: desk.backend) as address, chromium() as browser:
        page = _open(browser, address)
        page.wait_for_selector(".vxa-chip")
        yield page


@contextmanager
def bare_window(pictures: Sequence[Path]) -> Iterator[Any]:
    """A page of gradio's with a button and a picture: each press shows the next of these, which are ready.

    Its parts are called as those of the page, so that the same hand and the same stopwatch serve.
    """
    import gradio as gr

    following = cycle(map(str, pictures))
    with gr.Blocks(analytics_enabled=False) as blocks:
        button = gr.Button("Show", elem_id="vxa_press")
        picture = gr.Image(type="filepath", format="png", elem_id="vxa_picture")
        button.click(lambda: next(following), None, picture)
    blocks.launch(server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, quiet=True,
                  share=False, ssr_mode=False, footer_links=[])  # fmt: skip
    with chromium() as browser:
        page = _open(browser, blocks.local_url)
        page.wait_for_selector("#vxa_press")
        yield page
    blocks.close(verbose=False)


def another_window(page: Any) -> Any:
    """One more page of the same app."""
    other = _open(page.context.browser, page.url)
    other.wait_for_selector(".vxa-chip")
    return other


def _open(browser: Any, address: str) -> Any:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    return page


def stopwatch(page: Any, act: Callable[[], object], seen: str = NEW_PICTURE) -> float:
    """Milliseconds in the page from the hand's first event until `seen` gives something new."""
    page.evaluate(_ARM, seen)
    act()
    page.wait_for_function("() => window.vxaWatch.end !== undefined")
    return float(page.evaluate("() => window.vxaWatch.end - window.vxaWatch.start"))


def give(page: Any, image: Path) -> None:
    """Drop an image."""
    page.click("#vxa_image button[aria-label='Remove Image']")
    page.set_input_files("#vxa_image input[type=file]", image)
    page.wait_for_selector("#vxa_image img")


def chip(page: Any, word: str) -> Any:
    """The chip of a word."""
    return page.locator(f"#vxa_tokens .vxa-chip-word:has-text('{word}')").first


def choose_site(page: Any, name: str) -> Callable[[], None]:
    """The list of sites is open; what is given back chooses from it."""
    page.click("#vxa_sites input")
    option = page.locator(f"[role=option]:has-text('{name}')").first
    option.wait_for()
    return lambda: option.click()
