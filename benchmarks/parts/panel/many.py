"""Five hundred visualizations in a row: what they leave behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from torch.nn.modules import module as torch_module

from parts.measure import Row, resident_megabytes
from parts.panel.desk import Desk, Options, desk, photo
from parts.panel.window import NEW_PICTURE, give, stopwatch, window

__all__ = ["many"]

_TIMES, _FIRST = 500, 60
_POOL = "AnyIO worker thread"  # the server's own, of at most forty
_SIZES = ((128, 128), (96, 144), (160, 112))
_PROMPTS = ("hat, neck", "a boy wearing a red hat and his white cat", "two red balls under a tree")


def many(options: Options) -> list[Row]:
    """Through the page in Chromium; without one, through its handlers as forty pages in turn."""
    times, first = options.rounds(_TIMES), options.rounds(_FIRST)
    with desk() as here:
        if not options.browser:
            return _grown(here, times, first, "handlers", lambda number: _press(here, number), here.folder)
        with window(here) as page:
            give(page, photo(here.folder, _SIZES[0]))
            folder = Path(os.environ["GRADIO_TEMP_DIR"])
            press = _by_hand(page)
            return _grown(here, times, first, "the page in Chromium", press, folder)


def _press(here: Desk, number: int) -> None:
    kind = number % len(_SIZES)
    here.press(str(number % 40), photo(here.folder, _SIZES[kind]), _PROMPTS[kind])


def _by_hand(page: Any) -> Callable[[int], object]:
    def press(number: int) -> object:
        page.locator("#vxa_prompt textarea").fill(_PROMPTS[number % len(_PROMPTS)])
        return stopwatch(page, lambda: page.click("#vxa_press"), NEW_PICTURE)

    return press


def _grown(
    here: Desk, times: int, first: int, how: str, press: Callable[[int], object], folder: Path
) -> list[Row]:
    """What there is more of after `times`, once the first ones have filled what is bounded."""
    for number in range(first):
        press(number)
    before = _counts(here, folder)
    memory = [resident_megabytes()]
    for number in track(range(times), "pressing", console=Console(stderr=True)):
        press(number)
        if number % max(1, times // 20) == 0:
            memory.append(resident_megabytes())
    after = _counts(here, folder)
    memory.append(resident_megabytes())
    said = f"{times} visualizations through {how}, after {first} of them"
    rows = [
        Row(
            f"{what} added by {said}",
            after[what] - before[what],
            what,
            0,
            {what: [before[what], after[what]]},
        )
        for what in after
    ]
    return [*rows, Row(f"resident memory added by {said}", memory[-1] - memory[0], "MB", 20, {"MB": memory})]


def _counts(here: Desk, folder: Path) -> dict[str, int]:
    pipeline = here.model.pipeline
    modules = [m for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder) for m in part.modules()]
    own = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules)
    everywhere = len(torch_module._global_forward_pre_hooks) + len(torch_module._global_forward_hooks)
    return {
        "hooks": own + everywhere,
        "threads": sum(not thread.name.startswith(_POOL) for thread in threading.enumerate()),
        "files": sum(path.is_file() for path in folder.rglob("*")),
    }
