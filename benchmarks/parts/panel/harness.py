"""The embedded model behind the page's handlers, with its calls counted."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

import vxa
from parts import ROOT
from vxa.ui.asked import Asked
from vxa.ui.backend import Backend, Example
from vxa.ui.downloads import Downloads
from vxa.ui.handlers import Handlers
from vxa.ui.local import local_backend

__all__ = ["PROMPT", "Harness", "Options", "open_harness", "write_figure"]

PROMPT = "a boy wearing a red hat and his white cat"
_FIGURE = ROOT / "examples" / "figure.png"


@dataclass(frozen=True)
class Options:
    """Extent of the measurements.

    Attributes:
        scale: share of the usual number of rounds.
        browser: whether to measure in Chromium, too.
    """

    scale: float = 1.0
    browser: bool = True

    def rounds(self, usual: int) -> int:
        """Return the share of the usual number of rounds, at least one."""
        return max(1, round(usual * self.scale))


@dataclass(frozen=True, eq=False)
class Harness:
    """The model, and the page's backend and handlers over it.

    Attributes:
        folder: the files of the measurement.
        passes: the prompt of each pass so far.
        forwards: one item for each forward of the network so far.
    """

    model: Any
    backend: Backend
    handlers: Handlers
    folder: Path
    passes: list[str]
    forwards: list[int]

    @property
    def calls(self) -> int:
        """The number of passes and of forwards so far."""
        return len(self.passes) + len(self.forwards)

    def press(self, page: str, image: Path, prompt: str = PROMPT, asked: Asked | None = None) -> str:
        """Perform the server's work for a press of the button: the pass, the picture, its file."""
        self.handlers.run(page, str(image), prompt, 1, "none")
        return self.handlers.picture_file(page, asked or Asked())


@contextmanager
def open_harness() -> Iterator[Harness]:
    """Yield a new harness, and delete its files after the block."""
    model = vxa.load("papercut")
    passes: list[str] = []
    forwards: list[int] = []
    with tempfile.TemporaryDirectory(prefix="vxa-benchmark-") as name:
        folder = Path(name)
        example = Example(write_figure(folder, (256, 256)), PROMPT)
        backend = _counting(local_backend(model, "papercut", (32, 32), (example,)), passes)
        handle = model.network.register_forward_pre_hook(lambda module, inputs: forwards.append(1))
        handlers = Handlers(backend, Downloads(folder / "given"))
        yield Harness(model, backend, handlers, folder, passes, forwards)
        handle.remove()


def write_figure(folder: Path, size: tuple[int, int], number: int = 0) -> Path:
    """Write the example's figure at (height, width) as a file; each number gives another image."""
    with Image.open(_FIGURE) as figure:
        picture = figure.convert("RGB").resize((size[1], size[0]), Image.Resampling.LANCZOS)
    picture.putpixel((0, 0), (number % 256, number // 256 % 256, 0))
    path = folder / f"figure-{size[0]}x{size[1]}-{number}.png"
    picture.save(path)
    return path


def _counting(backend: Backend, passes: list[str]) -> Backend:
    """Return the backend with the prompt of each pass appended to `passes`."""

    def run(image: Image.Image, prompt: str, *rest: Any, **named: Any) -> vxa.AttentionMaps:
        passes.append(prompt)
        return backend.run(image, prompt, *rest, **named)

    return dataclasses.replace(backend, run=run)
