"""Time from the press of the button to the picture, against one encode and one forward of the same model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch

from parts.measure import ratio, time_on_both_clocks
from parts.panel.harness import PROMPT, Harness, Options, open_harness, write_figure
from parts.panel.page import open_bare_page, open_page, time_action
from parts.report import Row
from vxa.io.images import read_image
from vxa.tracing.visualize import prepare

__all__ = ["measure"]

_BAR = 1.3
_SIZE = (256, 256)


def measure(options: Options) -> list[Row]:
    """Measure on the server, and in the browser beside it."""
    with open_harness() as harness:
        rows = list(_on_server(harness, options.rounds(15)))
        return rows + (list(_in_browser(harness, options.rounds(10))) if options.browser else [])


def _model_alone(harness: Harness) -> Callable[[], None]:
    """Return a function that runs one encode and one whole forward without hooks."""
    pixels = prepare(read_image(write_figure(harness.folder, _SIZE)), 1024, harness.model.multiple)[0]
    conditioning = harness.model.encode_prompt(PROMPT, _SIZE)

    @torch.no_grad()
    def alone() -> None:
        harness.model.denoise(harness.model.encode_image(pixels), 1, conditioning)

    return alone


def _on_server(harness: Harness, rounds: int) -> Iterator[Row]:
    """Yield the ratio of times; a press reads the file, encodes the prompt, runs the pass, writes the PNG."""
    image = write_figure(harness.folder, _SIZE)
    tasks = {"model": _model_alone(harness), "press": lambda: harness.press("mine", image)}
    time_on_both_clocks(tasks, 1)  # the first pass sets up the libraries
    samples = time_on_both_clocks(tasks, rounds)
    for clock, bar in (("CPU", _BAR), ("wall", None)):
        sides = {f"{side} {clock} ms": samples[f"{side} {clock} ms"] for side in tasks}
        each = [b / a for a, b in zip(*sides.values(), strict=True)]
        name = f"press to picture on the server / one encode + one forward, 256×256, {clock} time"
        yield Row(name, ratio(sides, f"press {clock} ms", f"model {clock} ms"), "×", bar,
                  {**sides, "ratio of each round": each})  # fmt: skip


def _in_browser(harness: Harness, rounds: int) -> Iterator[Row]:
    """Yield the ratio of times until the new picture is in the page, with Chromium on the same machine."""
    alone = _model_alone(harness)
    samples: dict[str, list[float]] = {"model wall ms": [], "press wall ms": []}
    with open_page(harness) as page:
        for turn in range(rounds + 1):
            model = time_on_both_clocks({"model": alone}, 1)["model wall ms"]
            press = time_action(page, lambda: page.click("#vxa_press"))
            if turn:  # the first press opens the page's state
                samples["model wall ms"] += model
                samples["press wall ms"].append(press)
    floor = _floor(harness, rounds)
    name = "press to picture in the browser / one encode + one forward, 256×256, wall time"
    yield Row(name, ratio(samples, "press wall ms", "model wall ms"), "×", _BAR, samples)
    name = "press to a ready picture on a bare page of gradio's, the floor of the row above, wall time"
    yield Row(name, median(floor), "ms", None, {"wall ms": floor})
    beyond = (median(samples["press wall ms"]) - median(floor)) / median(samples["model wall ms"])
    yield Row("what is beyond that floor / one encode + one forward, 256×256", beyond, "×", _BAR, {})


def _floor(harness: Harness, rounds: int) -> list[float]:
    """Return the milliseconds of a press without work: a button, and pictures that are drawn already."""
    files = [harness.press(name, write_figure(harness.folder, _SIZE, n)) for n, name in enumerate("ab")]
    with open_bare_page([Path(file) for file in files]) as page:
        times = [time_action(page, lambda: page.click("#vxa_press")) for _ in range(2 * rounds + 2)]
    return times[2:]  # the first two copy the pictures into gradio's cache
