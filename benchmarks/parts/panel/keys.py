"""Typing in the prompt: the chips follow."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from parts.measure import Row, on_both_clocks
from parts.panel.desk import PROMPT, Desk, Options, desk
from parts.panel.window import NEW_CHIPS, stopwatch, window

__all__ = ["keys"]

_BAR = 150
_LONG = ", ".join([PROMPT] * 20)


def keys(options: Options) -> list[Row]:
    """On the server, and in the browser."""
    with desk() as here:
        rows = list(_served(here, options.rounds(15)))
        return rows + (list(_seen(here, options.rounds(15))) if options.browser else [])


def _served(here: Desk, rounds: int) -> Iterator[Row]:
    """The chips of a prompt, and of one of three chunks."""
    handlers = here.handlers
    tasks = {"a prompt": lambda: handlers.chips(PROMPT, "6"), "three chunks": lambda: handlers.chips(_LONG)}
    on_both_clocks(tasks, 1)
    samples = on_both_clocks(tasks, rounds)
    for name in tasks:
        own = {f"{clock} ms": samples[f"{name} {clock} ms"] for clock in ("CPU", "wall")}
        yield Row(f"chips of {name}, on the server, CPU time", median(own["CPU ms"]), "ms", _BAR, own)


def _seen(here: Desk, rounds: int) -> Iterator[Row]:
    """One letter after the other, each until its chip is there."""
    with window(here) as page:
        page.locator("#vxa_prompt textarea").focus()
        page.keyboard.press("End")
        taken = [stopwatch(page, lambda: page.keyboard.type("x"), NEW_CHIPS) for _ in range(rounds + 1)][1:]
    yield Row("a letter typed to its chip in the browser, wall time", median(taken), "ms", _BAR,
              {"wall ms": taken})  # fmt: skip
