"""A further word, site, mode or threshold at 512×512: no model call, on the server and in the browser."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from parts.measure import time_on_both_clocks
from parts.panel.harness import PROMPT, Harness, Options, open_harness, write_figure
from parts.panel.page import choose_site, find_chip, open_page, time_action, upload
from parts.report import Row
from vxa.pictures.modes import MODES
from vxa.ui.asked import Asked
from vxa.ui.pages import Kept

__all__ = ["measure"]

_SERVER, _BROWSER = 100, 300
_HAT, _CAT = "6", "10"
_OF_ONE_WORD = (*list(MODES)[:4], "difference")
_ALL = "all sites together · all"


def measure(options: Options) -> list[Row]:
    """Measure on the server, and in the browser."""
    with open_harness() as harness:
        image = write_figure(harness.folder, (512, 512))
        harness.press("mine", image)
        rows = list(_on_server(harness, options.rounds(9)))
        return rows + (list(_in_browser(harness, image, options.rounds(7))) if options.browser else [])


def _on_server(harness: Harness, rounds: int) -> Iterator[Row]:
    """Yield the time of every kind of question, from the maps to the PNG's file."""
    questions = {
        "another word": Asked(_CAT),
        "another site": Asked(_HAT, "M00"),
        "all sites": Asked(_HAT, _ALL),
        "one head of all sites": Asked(_HAT, _ALL, "1"),
        "another threshold": Asked(_HAT, mode="contour", threshold=0.6),
        "another opacity": Asked(_HAT, opacity=0.4),
        **{
            f"mode {mode}": Asked(_HAT if mode in _OF_ONE_WORD else "", mode=mode, against=_CAT)
            for mode in MODES
        },
    }
    tasks: dict[str, Callable[[], object]] = {
        name: lambda question=question: harness.handlers.picture_file("mine", question)
        for name, question in questions.items()
    }
    tasks["all sites, the first question of new maps"] = lambda: _ask_new(harness, questions["all sites"])
    time_on_both_clocks(tasks, 1)
    before = harness.calls
    samples = time_on_both_clocks(tasks, rounds)
    yield Row("model calls of all further questions", harness.calls - before, "calls", 0, {})
    for name in tasks:
        own = {f"{clock} ms": samples[f"{name} {clock} ms"] for clock in ("CPU", "wall")}
        yield Row(f"{name}, on the server, CPU time", median(own["CPU ms"]), "ms", _SERVER, own)


def _ask_new(harness: Harness, question: Asked) -> None:
    """Ask maps that have answered nothing yet, so that whatever they compute once is computed."""
    kept = harness.handlers.pages.get("mine")
    records = {name: dataclasses.replace(record) for name, record in kept.maps.records.items()}
    maps = dataclasses.replace(kept.maps, records=records)
    harness.handlers.pages.put("new", Kept(kept.image, kept.name, maps))
    harness.handlers.picture_file("new", question)


def _in_browser(harness: Harness, image: Path, rounds: int) -> Iterator[Row]:
    """Yield the time of every control in Chromium, until the new picture is in the page."""
    with open_page(harness) as page:
        upload(page, image)
        time_action(page, lambda: page.click("#vxa_press"))
        before = harness.calls
        samples: dict[str, list[float]] = {name: [] for name in _actions(page, 0)}
        for turn in range(rounds):
            for name, prepare in _actions(page, turn).items():
                samples[name].append(time_action(page, prepare()))
        calls = harness.calls - before
    yield Row("model calls of all further questions in the browser", calls, "calls", 0, {})
    for name, times in samples.items():
        yield Row(f"{name}, in the browser, wall time", median(times), "ms", _BROWSER, {"wall ms": times})


def _actions(page: Any, turn: int) -> dict[str, Callable[[], Callable[[], object]]]:
    """Return by control a function that prepares an action; turns alternate, so that each is a change."""
    way = turn % 2

    def threshold() -> Callable[[], object]:
        box = page.locator("#vxa_threshold input[type=number]").first
        return lambda: box.fill(("0.6", "0.3")[way])

    words = [word for word in ("hat", "cat") if word in PROMPT]
    modes = {
        f"mode {mode}": lambda mode=mode: lambda: page.check(f"#vxa_mode input[value={mode}]")
        for mode in MODES
    }
    return {
        "another word": lambda: find_chip(page, words[way]).click,
        "another site": lambda: choose_site(page, ("M00", "OUT")[way]),
        "another threshold": threshold,
        **{name: prepare for name, prepare in modes.items() if name != "mode overlay"},
        "mode overlay": modes["mode overlay"],
    }
