"""From the press to the picture, against one encode and one UNet forward of the same model."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from measure import Row, on_both_clocks, ratio

from panel_parts.desk import PROMPT, Desk, Options, desk, photo
from panel_parts.window import stopwatch, window
from vxa.images import read_image
from vxa.visualize import _prepare

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
    pixels = _prepare(read_image(photo(here.folder, _SIZE)), 1024, here.model.multiple)[0]
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
    name = "press to picture in the browser / one encode + one forward, 256×256, wall time"
    yield Row(name, ratio(samples, "press wall ms", "model wall ms"), "×", None, samples)
