"""An image in the making, with what is traced of it: the page has both as far as they are."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from vxa.errors import ImageError
from vxa.io.images import check_image_path, save_image
from vxa.ui import strings
from vxa.ui.backend import Paint, Painted, Progress
from vxa.ui.downloads import file_stem
from vxa.ui.pages import Kept, Pages, Wanted
from vxa.ui.passes import Looked, digest
from vxa.ui.pictures import new_folder

__all__ = ["Made", "bar_html", "painted"]


@dataclass(frozen=True)
class Finished:
    """An image that was made, as far as it could be kept.

    Attributes:
        kept: what the page explores; None where nothing was traced.
        path: the image's file; None where it could not be written.
        problem: what went wrong.
    """

    kept: Kept | None
    path: Path | None
    problem: Exception | None


@dataclass(frozen=True)
class Made(Looked):
    """What an image that was made gives the page.

    Attributes:
        image: its file; blank where it could not be written.
        problem: what went wrong beside making it, in a sentence; blank for nothing.
    """

    image: str
    problem: str = ""


def painted(
    paint: Paint, pages: Pages, page: str, prompt: str, seed: int, refine: bool, folder: Path, told: Progress
) -> Finished:
    """The image that is made, kept for the page with its maps, and in a file in a new folder within `folder`.

    While it is made the page has what there is of it. What ends it leaves the page with what it had; what
    goes wrong once it is made does not cost it. Raises ImageError, before it is begun, for a folder that
    cannot be written.
    """
    wanted = Wanted(prompt=prompt, seed=seed, refine=refine, traced=True)
    name = f"{file_stem(prompt)}-{seed}.png"
    with suppress(OSError):  # what is wrong with it is said by the next line
        folder.mkdir(parents=True, exist_ok=True)
    check_image_path(folder / name)
    so_far = _SoFar(pages, page, name, wanted)
    try:
        made = paint(prompt, seed, refine, told, so_far.see)
    except BaseException:
        so_far.undo()
        raise
    path, problem = _saved(made.image, folder, name)
    problem = made.problem or problem
    if made.maps is None:
        pages.drop(page)
        return Finished(None, path, problem)
    kept = Kept(made.image, name, made.maps, replace(wanted, digest=digest(str(path) if path else None)))
    pages.put(page, kept)
    return Finished(kept, path, problem)


def _saved(image: Image.Image, folder: Path, name: str) -> tuple[Path | None, Exception | None]:
    """The image's new file, or what went wrong."""
    try:
        return save_image(image, new_folder(folder) / name), None
    except (ImageError, OSError) as error:
        return None, error


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
        assert made.maps is not None
        self._now = Kept(made.image, self.name, made.maps, self.wanted)
        self.pages.put(self.page, self._now)

    def undo(self) -> None:
        """Give the page back what it had, where it has got nothing else meanwhile."""
        if self._now is not None:
            self.pages.exchange(self.page, self._now, self._before)


def bar_html(fraction: float, what: str, name: str = strings.PAINTING) -> str:
    """How far it is, as a bar with its text; `name` is what the bar is called by those who hear it."""
    value = f'max="1" value="{fraction:.3f}" aria-label="{name}"'
    return f'<p class="vxa-hint"><progress {value}></progress> <span>{what}</span></p>'
