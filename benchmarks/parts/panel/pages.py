"""Memory of twenty open pages, each with its maps, and the effect of one more."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

from parts.measure import resident_megabytes
from parts.panel.harness import PROMPT, Harness, Options, open_harness, write_figure
from parts.panel.page import find_chip, open_another_page, open_page
from parts.report import Row
from vxa.ui.asked import Asked
from vxa.ui.pages import PageGone, Pages

__all__ = ["measure"]

_MOST = Pages.most
_BOUND = Pages.most_bytes / 1e6


def measure(options: Options) -> list[Row]:
    """Measure the memory of twenty pages, and what the twenty-first drops; the latter in Chromium, too."""
    with open_harness() as harness:
        rows = list(_on_server(harness))
        return rows + (list(_in_browser(harness)) if options.browser else [])


def _on_server(harness: Harness) -> Iterator[Row]:
    """Yield the memory of pages at 512×512, and the number of pages that one more drops.

    Each is asked for every word at every site, which is the most that maps keep.
    """
    image = write_figure(harness.folder, (512, 512))
    everything = Asked("", "all sites together · all")
    harness.press("first", image, asked=everything)
    gc.collect()
    before = resident_megabytes()
    growth = []
    for number in range(1, _MOST):
        harness.press(str(number), image, asked=everything)
        gc.collect()
        growth.append(resident_megabytes() - before)
    kept = harness.handlers.pages.nbytes / 1e6
    yield Row(f"{_MOST} pages at 512×512 keep, counted; the bound for all", kept, "MB", _BOUND, {})
    yield Row(f"{_MOST - 1} of them add to the process", growth[-1], "MB", _BOUND, {"after each MB": growth})
    harness.press("one more", image)
    yield Row("pages kept after one more", len(harness.handlers.pages), "pages", _MOST, {})
    dropped = _count_dropped(harness, ["first", "1", "one more"])
    yield Row("pages told that their maps were dropped", dropped, "pages", 1, {})


def _count_dropped(harness: Harness, names: list[str]) -> int:
    """Count the pages whose maps were dropped."""
    dropped = 0
    for name in names:
        try:
            harness.handlers.picture(name, Asked())
        except PageGone:
            dropped += 1
    return dropped


def _in_browser(harness: Harness) -> Iterator[Row]:
    """Count the messages when the first, the second and the last of 21 pages ask for another word."""
    with open_page(harness) as first:
        _press(first)
        others = [open_another_page(first) for _ in range(_MOST)]
        for page in others:
            _press(page)
        messages = [_ask(page) for page in (first, others[0], others[-1])]
    assert "press Visualize" in messages[0], messages
    dropped = sum(bool(message) for message in messages)
    yield Row("windows told so, of the first, the second and the last of 21", dropped, "windows", 1, {})


def _press(page: Any) -> None:
    page.click("#vxa_press")
    page.wait_for_selector("#vxa_picture img")


def _ask(page: Any) -> str:
    """Choose another word, and return the page's message; it is empty if the page draws its picture."""
    assert "hat" in PROMPT
    source = page.locator("#vxa_picture img").get_attribute("src")
    find_chip(page, "hat").click()
    page.wait_for_function(
        """(source) => document.querySelector("#vxa_message [role=alert]")
            || document.querySelector("#vxa_picture img").src !== source""",
        arg=page.evaluate("(path) => new URL(path, location).href", source),
    )
    # The box also holds gradio's own status, such as "0.2s", for a while.
    alert = page.locator("#vxa_message [role=alert]")
    return str(alert.inner_text()).strip() if alert.count() else ""
