"""From the press to the picture, against one encode and one UNet forward of the same model."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

import torch

from parts.measure import Row, on_both_clocks, ratio
from parts.panel.desk import PROMPT, Desk, Options, desk, photo
from parts.panel.window import bare_window, stopwatch, window
from vxa.io.images import read_image
from vxa.tracing.visualize import prepare

__all__ = ["press"]

_BAR = 1.3
_SIZE = (256, 256)


def press(options: Options) -> list[Row]:
    """On the server, and beside it in the browser."""
    with desk() as here:
        rows = list(_served(here, options.rounds(15)))
        return rows + (list(_seen(here, options.rounds(10))) if options.browser else [])


def _model_alone(here: Desk) -> partial[None]:
    """One encode and one whole forward, nothing watched."""
    pixels = prepare(read_image(photo(here.folder, _SIZE)), 1024, here.model.multiple)[0]
    conditioning = here.model.encode_prompt(PROMPT, _SIZE)

    @torch.no_grad()
    def alone() -> None:
        here.model.denoise(here.model.encode_image(pixels), 1, conditioning)

    return partial(alone)


def _served(here: Desk, rounds: int) -> Iterator[Row]:
    """The image's file read, the prompt encoded, the pass, the picture drawn and written as PNG."""
    image = photo(here.folder, _SIZE)
    tasks = {"model": _model_alone(here), "press": lambda: here.press("mine", image)}
    on_both_clocks(tasks, 1)  # the first pass sets up the libraries
    samples = on_both_clocks(tasks, rounds)
    for clock, bar in (("CPU", _BAR), ("wall", None)):
        sides = {f"{side} {clock} ms": samples[f"{side} {clock} ms"] for side in tasks}
        each = [b / a for a, b in zip(*sides.values(), strict=True)]
        name = f"press to picture on the server / one encode + one forward, 256×256, {clock} time"
        yield Row(name, ratio(sides, f"press {clock} ms", f"model {clock} ms"), "×", bar,
                  {**sides, "ratio of each round": each})  # fmt: skip


def _seen(here: Desk, rounds: int) -> Iterator[Row]:
    """The press of the button until the new picture is in the page, Chromium on the same machine."""
    alone = _model_alone(here)
    samples: dict[str, list[float]] = {"model wall ms": [], "press wall ms": []}
    with window(here) as page:
        for turn in range(rounds + 1):
            model = on_both_clocks({"model": alone}, 1)["model wall ms"]
            seen = stopwatch(page, lambda: page.click("#vxa_press"))
            if turn:  # the first press opens the page's state
                samples["model wall ms"] += model
                samples["press wall ms"].append(seen)
    floor = _floor(here, rounds)
    name = "press to picture in the browser / one encode + one forward, 256×256, wall time"
    yield Row(name, ratio(samples, "press wall ms", "model wall ms"), "×", _BAR, samples)
    name = "press to a ready picture on a bare page of gradio's, the floor of the row above, wall time"
    yield Row(name, median(floor), "ms", None, {"wall ms": floor})
    beyond = (median(samples["press wall ms"]) - median(floor)) / median(samples["model wall ms"])
    yield Row("what is beyond that floor / one encode + one forward, 256×256", beyond, "×", _BAR, {})


def _floor(here: Desk, rounds: int) -> list[float]:
    """The milliseconds of a press that has nothing to do: a button, and pictures that are ready."""
    drawn = [here.press(name, photo(here.folder, _SIZE, number)) for number, name in enumerate("ab")]
    with bare_window([Path(path) for path in drawn]) as page:
        taken = [stopwatch(page, lambda: page.click("#vxa_press")) for _ in range(2 * rounds + 2)]
    return taken[2:]  # the first two put the pictures where gradio serves them from
