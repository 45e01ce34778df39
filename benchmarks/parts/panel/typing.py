"""Typing in the prompt, until its chips are there."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from parts.measure import time_on_both_clocks
from parts.panel.harness import PROMPT, Harness, Options, open_harness
from parts.panel.page import NEW_CHIPS, open_page, time_action
from parts.report import Row

__all__ = ["measure"]

_BAR = 150
_LONG = ", ".join([PROMPT] * 20)


def measure(options: Options) -> list[Row]:
    """Measure on the server, and in the browser."""
    with open_harness() as harness:
        rows = list(_on_server(harness, options.rounds(15)))
        return rows + (list(_in_browser(harness, options.rounds(15))) if options.browser else [])


def _on_server(harness: Harness, rounds: int) -> Iterator[Row]:
    """Yield the time of the chips of a prompt, and of one of three chunks."""
    chips = harness.handlers.chips
    tasks = {"a prompt": lambda: chips(PROMPT, "6"), "three chunks": lambda: chips(_LONG)}
    time_on_both_clocks(tasks, 1)
    samples = time_on_both_clocks(tasks, rounds)
    for name in tasks:
        own = {f"{clock} ms": samples[f"{name} {clock} ms"] for clock in ("CPU", "wall")}
        yield Row(f"chips of {name}, on the server, CPU time", median(own["CPU ms"]), "ms", _BAR, own)


def _in_browser(harness: Harness, rounds: int) -> Iterator[Row]:
    """Yield the time of one letter after the other, each until its chip is in the page."""
    with open_page(harness) as page:
        page.locator("#vxa_prompt textarea").focus()
        page.keyboard.press("End")
        times = [
            time_action(page, lambda: page.keyboard.type("x"), NEW_CHIPS) for _ in range(rounds + 1)
        ][1:]  # fmt: skip
    yield Row("a letter typed to its chip in the browser, wall time", median(times), "ms", _BAR,
              {"wall ms": times})  # fmt: skip
