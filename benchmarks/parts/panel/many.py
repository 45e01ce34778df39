"""Hooks, threads, files and memory left behind by five hundred visualizations in a row."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from torch.nn.modules import module as torch_module

from parts.measure import resident_megabytes
from parts.panel.harness import Harness, Options, open_harness, write_figure
from parts.panel.page import NEW_PICTURE, open_page, time_action, upload
from parts.report import Row

__all__ = ["measure"]

_TIMES, _FIRST = 500, 60
_POOL = "AnyIO worker thread"  # the server's own threads, at most forty
_SIZES = ((128, 128), (96, 144), (160, 112))
_PROMPTS = ("hat, neck", "a boy wearing a red hat and his white cat", "two red balls under a tree")


def measure(options: Options) -> list[Row]:
    """Measure through the page in Chromium; without it, through its handlers as forty pages in turn."""
    times, first = options.rounds(_TIMES), options.rounds(_FIRST)
    with open_harness() as harness:
        if not options.browser:
            return _growth(
                harness, times, first, "handlers", lambda number: _press(harness, number), harness.folder
            )
        with open_page(harness) as page:
            upload(page, write_figure(harness.folder, _SIZES[0]))
            folder = Path(os.environ["GRADIO_TEMP_DIR"])
            press = _presser(page)
            return _growth(harness, times, first, "the page in Chromium", press, folder)


def _press(harness: Harness, number: int) -> None:
    kind = number % len(_SIZES)
    harness.press(str(number % 40), write_figure(harness.folder, _SIZES[kind]), _PROMPTS[kind])


def _presser(page: Any) -> Callable[[int], object]:
    def press(number: int) -> object:
        page.locator("#vxa_prompt textarea").fill(_PROMPTS[number % len(_PROMPTS)])
        return time_action(page, lambda: page.click("#vxa_press"), NEW_PICTURE)

    return press


def _growth(
    harness: Harness, times: int, first: int, through: str, press: Callable[[int], object], folder: Path
) -> list[Row]:
    """Count what `times` presses add, after the first ones have filled what is bounded."""
    for number in range(first):
        press(number)
    before = _counts(harness, folder)
    memory = [resident_megabytes()]
    for number in track(range(times), "pressing", console=Console(stderr=True)):
        press(number)
        if number % max(1, times // 20) == 0:
            memory.append(resident_megabytes())
    after = _counts(harness, folder)
    memory.append(resident_megabytes())
    work = f"{times} visualizations through {through}, after {first} of them"
    rows = [
        Row(
            f"{what} added by {work}",
            after[what] - before[what],
            what,
            0,
            {what: [before[what], after[what]]},
        )
        for what in after
    ]
    return [*rows, Row(f"resident memory added by {work}", memory[-1] - memory[0], "MB", 20, {"MB": memory})]


def _counts(harness: Harness, folder: Path) -> dict[str, int]:
    pipeline = harness.model.pipeline
    modules = [m for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder) for m in part.modules()]
    own = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules)
    everywhere = len(torch_module._global_forward_pre_hooks) + len(torch_module._global_forward_hooks)
    return {
        "hooks": own + everywhere,
        "threads": sum(not thread.name.startswith(_POOL) for thread in threading.enumerate()),
        "files": sum(path.is_file() for path in folder.rglob("*")),
    }
