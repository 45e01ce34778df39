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
from vxa.ui.steering import Steering

__all__ = ["Made", "bar_html", "painted"]


@dataclass(frozen=True)
class Finished:
    """An image that was made, as far as it could be kept.

    Attributes:
        kept: what the page explores; None where nothing was traced.
        files: the file of each picture that was made, the image's first; blank where it could not be written.
        problem: what went wrong.
    """

    kept: Kept | None
    files: tuple[str, ...]
    problem: Exception | None


@dataclass(frozen=True)
class Made(Looked):
    """What an image that was made gives the page.

    Attributes:
        image: its file; blank where it could not be written.
        problem: what went wrong beside making it, in a sentence; blank for nothing.
        pictures: the files of the pictures that were made together, with their prompts; none of one alone.
    """

    image: str
    problem: str = ""
    pictures: tuple[tuple[str, str], ...] = ()


def painted(
    paint: Paint,
    pages: Pages,
    page: str,
    prompt: str,
    seed: int,
    refine: bool,
    folder: Path,
    told: Progress,
    steering: Steering | None = None,
) -> Finished:
    """The image that is made, kept for the page with its maps, and in a file in a new folder within `folder`.

    With `steering` so are the pictures that are made together with it. While it is made the page has what
    there is of it. What ends it leaves the page with what it had; what goes wrong once it is made does not
    cost it. Raises ImageError, before it is begun, for a folder that cannot be written.
    """
    wanted = Wanted(prompt=prompt, seed=seed, refine=refine, traced=True)
    all_wanted = _all_wanted(wanted, steering)
    names = [_name(each, number) for number, each in enumerate(all_wanted, 1)]
    with suppress(OSError):  # what is wrong with it is said by the next line
        folder.mkdir(parents=True, exist_ok=True)
    check_image_path(folder / names[0])
    so_far = _SoFar(pages, page, names[0], wanted)
    steered = {"steering": steering} if steering else {}
    try:
        made = paint(prompt, seed, refine, told, so_far.see, **steered)
    except BaseException:
        so_far.undo()
        raise
    saved = [
        _saved(each.image, folder, name) for each, name in zip((made, *made.others), names, strict=False)
    ]
    files = tuple(str(path or "") for path, _ in saved)
    problem = made.problem or next((problem for _, problem in saved if problem), None)
    if made.maps is None:
        pages.drop(page)
        return Finished(None, files, problem)
    batch = [
        Kept(each.image, name, each.maps, replace(of, digest=digest(file)), steering=steering)
        for each, name, of, file in zip((made, *made.others), names, all_wanted, files, strict=False)
        if each.maps is not None
    ]
    kept = replace(batch[0], batch=tuple(batch) if steering else ())
    pages.put(page, kept)
    return Finished(kept, files, problem)


def _all_wanted(wanted: Wanted, steering: Steering | None) -> list[Wanted]:
    """What each of the pictures is asked for."""
    if steering is None:
        return [wanted]
    all_seeds = steering.seeds(wanted.seed)
    pairs = zip(steering.prompts, all_seeds, strict=True)
    return [replace(wanted, prompt=prompt, seed=seed) for prompt, seed in pairs]


def _name(wanted: Wanted, number: int) -> str:
    """The name of a picture's file, other than that of each other one of its batch."""
    place = f"-picture{number}" if number > 1 else ""
    return f"{file_stem(wanted.prompt)}-{wanted.seed}{place}.png"


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
