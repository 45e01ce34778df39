"""Twenty pages open, each with its maps, and then one more."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

from parts.measure import Row, resident_megabytes
from parts.panel.desk import PROMPT, Desk, Options, desk, photo
from parts.panel.window import another_window, chip, window
from vxa.ui.asked import Asked
from vxa.ui.pages import PageGone, Pages

__all__ = ["pages"]

_OPEN = Pages.most
_STATED = Pages.most_bytes / 1e6


def pages(options: Options) -> list[Row]:
    """What twenty pages keep, and what the twenty-first does; the same by hand, in Chromium."""
    with desk() as here:
        rows = list(_kept(here))
        return rows + (list(_told(here)) if options.browser else [])


def _kept(here: Desk) -> Iterator[Row]:
    """Pages of 512×512, each asked for every word at every site, which is all that maps ever keep."""
    image = photo(here.folder, (512, 512))
    everything = Asked("", "all sites together · all")
    here.press("first", image, asked=everything)
    gc.collect()
    before = resident_megabytes()
    grown = []
    for number in range(1, _OPEN):
        here.press(str(number), image, asked=everything)
        gc.collect()
        grown.append(resident_megabytes() - before)
    kept = here.handlers.pages.nbytes / 1e6
    yield Row(f"{_OPEN} pages at 512×512 keep, counted; the bound for all", kept, "MB", _STATED, {})
    yield Row(f"{_OPEN - 1} of them add to the process", grown[-1], "MB", _STATED, {"after each MB": grown})
    here.press("one more", image)
    yield Row("pages kept after one more", len(here.handlers.pages), "pages", _OPEN, {})
    yield Row(
        "pages told that their maps were dropped", _gone(here, ["first", "1", "one more"]), "pages", 1, {}
    )


def _gone(here: Desk, names: list[str]) -> int:
    """How many of the pages are told so."""
    told = 0
    for name in names:
        try:
            here.handlers.picture(name, Asked())
        except PageGone:
            told += 1
    return told


def _told(here: Desk) -> Iterator[Row]:
    """Twenty-one windows of Chromium: what the first says when it asks for another word, and the others."""
    with window(here) as first:
        _look(first)
        others = [another_window(first) for _ in range(_OPEN)]
        for page in others:
            _look(page)
        said = [_asks(page) for page in (first, others[0], others[-1])]
    assert "press Visualize" in said[0], said
    dropped = sum(bool(sentence) for sentence in said)
    yield Row("windows told so, of the first, the second and the last of 21", dropped, "windows", 1, {})


def _look(page: Any) -> None:
    page.click("#vxa_press")
    page.wait_for_selector("#vxa_picture img")


def _asks(page: Any) -> str:
    """What the page says when another word is chosen: nothing, when its picture is drawn."""
    assert "hat" in PROMPT
    shown = page.locator("#vxa_picture img").get_attribute("src")
    chip(page, "hat").click()
    page.wait_for_function(
        """(shown) => document.querySelector("#vxa_message [role=alert]")
            || document.querySelector("#vxa_picture img").src !== shown""",
        arg=page.evaluate("(path) => new URL(path, location).href", shown),
    )
    return str(page.locator("#vxa_message").inner_text()).strip()
