"""A further word, site, mode or threshold at 512×512: no model call, on the server and in the browser."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from parts.measure import Row, on_both_clocks
from parts.panel.desk import PROMPT, Desk, Options, desk, photo
from parts.panel.window import chip, choose_site, give, stopwatch, window
from vxa.pictures.render import MODES
from vxa.ui.asked import Asked
from vxa.ui.pages import Kept

__all__ = ["further"]

_SERVER, _BROWSER = 100, 300
_HAT, _CAT = "6", "10"
_OF_ONE = (*MODES[:4], "difference")
_ALL = "all sites together · all"


def further(options: Options) -> list[Row]:
    """On the server, and in the browser."""
    with desk() as here:
        image = photo(here.folder, (512, 512))
        here.press("mine", image)
        rows = list(_served(here, options.rounds(9)))
        return rows + (list(_seen(here, image, options.rounds(7))) if options.browser else [])


def _served(here: Desk, rounds: int) -> Iterator[Row]:
    """Every kind of question, from the maps to the PNG's file."""
    asked = {
        "another word": Asked(_CAT),
        "another site": Asked(_HAT, "M00"),
        "all sites": Asked(_HAT, _ALL),
        "one head of all sites": Asked(_HAT, _ALL, "1"),
        "another threshold": Asked(_HAT, mode="contour", threshold=0.6),
        "another opacity": Asked(_HAT, opacity=0.4),
        **{f"mode {mode}": Asked(_HAT if mode in _OF_ONE else "", mode=mode, against=_CAT) for mode in MODES},
    }
    tasks: dict[str, Callable[[], object]] = {
        name: lambda question=question: here.handlers.picture_file("mine", question)
        for name, question in asked.items()
    }
    tasks["all sites, the first question of new maps"] = lambda: _first(here, asked["all sites"])
    on_both_clocks(tasks, 1)
    before = len(here.passes), len(here.forwards)
    samples = on_both_clocks(tasks, rounds)
    calls = len(here.passes) + len(here.forwards) - sum(before)
    yield Row("model calls of all further questions", calls, "calls", 0, {})
    for name in tasks:
        own = {f"{clock} ms": samples[f"{name} {clock} ms"] for clock in ("CPU", "wall")}
        yield Row(f"{name}, on the server, CPU time", median(own["CPU ms"]), "ms", _SERVER, own)


def _first(here: Desk, asked: Asked) -> None:
    """A question to maps that were asked nothing yet: what they compute once and keep is computed."""
    kept = here.handlers.pages.get("mine")
    fresh = {name: dataclasses.replace(record) for name, record in kept.maps.records.items()}
    here.handlers.pages.put("new", Kept(kept.image, kept.name, dataclasses.replace(kept.maps, records=fresh)))
    here.handlers.picture_file("new", asked)


def _seen(here: Desk, image: Path, rounds: int) -> Iterator[Row]:
    """Every control in Chromium, until the new picture is in the page."""
    with window(here) as page:
        give(page, image)
        stopwatch(page, lambda: page.click("#vxa_press"))
        before = len(here.passes), len(here.forwards)
        samples: dict[str, list[float]] = {name: [] for name in _hands(page, 0)}
        for turn in range(rounds):
            for name, prepared in _hands(page, turn).items():
                samples[name].append(stopwatch(page, prepared()))
        calls = len(here.passes) + len(here.forwards) - sum(before)
    yield Row("model calls of all further questions in the browser", calls, "calls", 0, {})
    for name, taken in samples.items():
        yield Row(f"{name}, in the browser, wall time", median(taken), "ms", _BROWSER, {"wall ms": taken})


def _hands(page: Any, turn: int) -> dict[str, Callable[[], Callable[[], object]]]:
    """What a person does, by turns in two ways, so that there always is something new; first made ready."""
    ways = turn % 2

    def threshold() -> Callable[[], object]:
        box = page.locator("#vxa_threshold input[type=number]").first
        return lambda: box.fill(("0.6", "0.3")[ways])

    words = [word for word in ("hat", "cat") if word in PROMPT]
    named = {
        f"mode {mode}": lambda mode=mode: lambda: page.check(f"#vxa_mode input[value={mode}]")
        for mode in MODES
    }
    return {
        "another word": lambda: chip(page, words[ways]).click,
        "another site": lambda: choose_site(page, ("M00", "OUT")[ways]),
        "another threshold": threshold,
        **{name: hand for name, hand in named.items() if name != "mode overlay"},
        "mode overlay": named["mode overlay"],
    }
