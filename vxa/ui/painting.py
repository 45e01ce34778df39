"""An image in the making, with what is traced of it: the page has both as far as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from vxa.io.images import save_image
from vxa.ui import strings
from vxa.ui.backend import Paint, Painted, Progress
from vxa.ui.downloads import file_stem
from vxa.ui.pages import Kept, Pages, Wanted
from vxa.ui.passes import Looked, digest
from vxa.ui.pictures import new_folder

__all__ = ["Made", "bar_html", "painted"]


@dataclass(frozen=True)
class Made(Looked):
    """What an image that was made gives the page: its file, too."""

    image: str


def painted(
    paint: Paint, pages: Pages, page: str, prompt: str, seed: int, refine: bool, folder: Path, told: Progress
) -> tuple[Kept, Path]:
    """What the page keeps of the image that is made, and the image's file in a new folder within `folder`.

    While it is made the page has what there is of it; whatever ends it, the page has again what it had.
    """
    wanted = Wanted(prompt=prompt, seed=seed, refine=refine, traced=True)
    name = f"{file_stem(prompt)}-{seed}.png"
    so_far = _SoFar(pages, page, name, wanted)
    try:
        made = paint(prompt, seed, refine, told, so_far.see)
    except BaseException:
        so_far.undo()
        raise
    path = save_image(made.image, new_folder(folder) / name)
    kept = Kept(made.image, name, made.maps, replace(wanted, digest=digest(str(path))))
    pages.put(page, kept)
    return kept, path


@dataclass
class _SoFar:
    """What there is of the image, kept for the page in place of what it had."""

    pages: Pages
    page: str
    name: str
    wanted: Wanted
    _before: Kept | None = None
    _now: Kept | None = None

    def see(self, made: Painted) -> None:
        if self._now is None:
            self._before = self.pages.find(self.page)
        self._now = Kept(made.image, self.name, made.maps, self.wanted)
        self.pages.put(self.page, self._now)

    def undo(self) -> None:
        """Give the page back what it had, where it has got nothing else meanwhile."""
        if self._now is not None:
            self.pages.exchange(self.page, self._now, self._before)


def bar_html(fraction: float, what: str) -> str:
    """How far it is, as a bar with its text."""
    value = f'max="1" value="{fraction:.3f}" aria-label="{strings.PAINTING}"'
    return f'<p class="vxa-hint"><progress {value}></progress> <span>{what}</span></p>'
