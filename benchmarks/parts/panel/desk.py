"""What every part sits at: the embedded model behind the page's handlers, with its calls counted."""

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

__all__ = ["PROMPT", "Desk", "Options", "desk", "photo"]

PROMPT = "a boy wearing a red hat and his white cat"
_FIGURE = ROOT / "examples" / "figure.png"


@dataclass(frozen=True)
class Options:
    """How much is measured.

    Attributes:
        scale: share of the usual number of rounds.
        browser: whether the halves in Chromium are measured, too.
    """

    scale: float = 1.0
    browser: bool = True

    def rounds(self, usual: int) -> int:
        """The share of the usual number, at least one."""
        return max(1, round(usual * self.scale))


@dataclass(frozen=True, eq=False)
class Desk:
    """The model and the handlers over it.

    Attributes:
        passes: the pages' passes so far, one item for each.
        forwards: the network's forwards so far.
    """

    model: Any
    backend: Backend
    handlers: Handlers
    folder: Path
    passes: list[str]
    forwards: list[int]

    def press(self, page: str, image: Path, prompt: str = PROMPT, asked: Asked | None = None) -> str:
        """What the server does between the press and the answer: the pass, the picture, its file."""
        self.handlers.run(page, str(image), prompt, 1, "none")
        return self.handlers.picture_file(page, asked or Asked())


@contextmanager
def desk() -> Iterator[Desk]:
    """A desk of its own, its files gone in the end."""
    model = vxa.load("papercut")
    passes: list[str] = []
    forwards: list[int] = []
    with tempfile.TemporaryDirectory(prefix="vxa-benchmark-") as name:
        folder = Path(name)
        backend = _counted(local_backend(model, "papercut", (32, 32), (_example(folder),)), passes)
        handle = model.network.register_forward_pre_hook(lambda module, inputs: forwards.append(1))
        yield Desk(model, backend, Handlers(backend, Downloads(folder / "given")), folder, passes, forwards)
        handle.remove()


def photo(folder: Path, size: tuple[int, int], number: int = 0) -> Path:
    """The figure at (height, width) as a file; another number is another picture."""
    with Image.open(_FIGURE) as figure:
        picture = figure.convert("RGB").resize((size[1], size[0]), Image.Resampling.LANCZOS)
    picture.putpixel((0, 0), (number % 256, number // 256 % 256, 0))
    path = folder / f"figure-{size[0]}x{size[1]}-{number}.png"
    picture.save(path)
    return path


def _example(folder: Path) -> Example:
    return Example(photo(folder, (256, 256)), PROMPT)


def _counted(backend: Backend, passes: list[str]) -> Backend:
    def run(image: Image.Image, prompt: str, *rest: Any, **named: Any) -> vxa.AttentionMaps:
        passes.append(prompt)
        return backend.run(image, prompt, *rest, **named)

    return dataclasses.replace(backend, run=run)
