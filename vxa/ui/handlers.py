"""What the page's controls do: plain values in, plain values out. No gradio here, and no model library."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from vxa.errors import ImageError, PromptError, SettingError, VxaError
from vxa.images import read_image
from vxa.render import pixel_at, render
from vxa.tokens import Word
from vxa.ui import texts
from vxa.ui.asked import Asked, command_line, python_lines
from vxa.ui.backend import Backend, Progress, site_labels, site_spec
from vxa.ui.chips import chips, chips_html
from vxa.ui.downloads import Downloads, file_stem
from vxa.ui.pages import Kept, Pages
from vxa.ui.pictures import Pictures
from vxa.ui.stopping import Stoppable

__all__ = ["Handlers", "Looked", "sentence"]

_SPOT_SIDE = 512  # pixels on the longer side of the map in which a spot is looked up
_log = logging.getLogger("vxa.ui")


@dataclass(frozen=True)
class Looked:
    """What a pass gives the page: what was looked at, and the sites as they are for this image."""

    summary: str
    sites: tuple[str, ...]
    site: str


def sentence(error: Exception) -> str:
    """The error in one sentence for the page; what is no VxaError keeps its traceback in the log."""
    if isinstance(error, VxaError):
        return " ".join(str(error).split())
    _log.error("a handler of the page failed", exc_info=error)
    return texts.DEFECT


@dataclass
class Handlers:
    """The controls of all pages, over one backend; `page` is a page's id everywhere."""

    backend: Backend
    downloads: Downloads
    pages: Pages = field(default_factory=Pages)
    _stops: dict[str, threading.Event] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.pictures = Pictures(self.downloads.folder, pages=self.pages.most)

    def chips(self, prompt: str, selection: str = "") -> str:
        """The HTML of the prompt's chips."""
        if not (prompt or "").strip():
            return chips_html(())
        return chips_html(chips(self.backend.tokenize(prompt)), selection or "")

    def check_image(self, image: str | None) -> None:
        """Raise ImageError where a file was given that holds no image that can be read whole."""
        if image:
            _read(image)

    def stale(self, page: str | None, prompt: str) -> str:
        """What to say when the page's picture is of another prompt; blank when it is not."""
        try:
            shown = self.pages.get(page).maps.provenance.prompt
        except VxaError:
            return ""
        return "" if shown == (prompt or "") else texts.other_prompt(shown)

    def run(
        self,
        page: str,
        image: str | None,
        prompt: str,
        timestep: Any,
        noise: str,
        site: str | None = None,
        progress: Progress = lambda fraction, what: None,
    ) -> Looked:
        """One pass over the image file, kept for the page."""
        if not image:
            raise ImageError(texts.NO_IMAGE)
        picture = _read(image)
        started = time.perf_counter()
        with Stoppable(self._stops, page, progress) as told:
            maps = self.backend.run(picture, prompt or "", _whole("timestep", timestep), noise, told)
        self.pages.put(page, Kept(picture, Path(image).name, maps))
        labels = site_labels(maps.sites, maps.default_sites, maps.latent_size)
        made = maps.provenance
        said = texts.summary(
            made.prompt, made.model, made.timestep, made.noise, len(maps.sites), time.perf_counter() - started
        )
        return Looked(said, labels, _same_site(site, labels))

    def stop(self, page: str | None) -> None:
        """Stop what the page has asked for, where it can be stopped."""
        if stopping := self._stops.get(page or ""):
            stopping.set()

    def generate(
        self, page: str, prompt: str, seed: Any, progress: Progress = lambda fraction, what: None
    ) -> Image.Image:
        """A picture of the prompt, made by the model."""
        if self.backend.generate is None:
            raise PromptError(texts.NO_GENERATE)
        with Stoppable(self._stops, page, progress) as told:
            return self.backend.generate(prompt or "", _whole("seed", seed), told)

    def picture(self, page: str | None, asked: Asked) -> Image.Image:
        """The picture that is asked for, without the model."""
        kept = self.pages.get(page)
        return render(kept.maps, kept.image, **asked.settings())

    def picture_file(self, page: str, asked: Asked) -> str:
        """The path of that picture as a PNG, for the page to show."""
        name = f"{file_stem(self.pages.get(page).name)}-{asked.mode}.png"
        return str(self.pictures.write(page, name, self.picture(page, asked)))

    def spot_in_picture(self, page: str | None, asked: Asked, x: int, y: int) -> tuple[int, int]:
        """The image's (x, y) under a pixel of the picture that the page shows."""
        shown = self.picture(page, asked)
        size = (shown.height, shown.width)
        found = pixel_at(self.pages.get(page).maps, asked.mode, size, (y, x), asked.colormap)
        if found is None:
            raise SettingError(texts.NO_SPOT)
        return found[1], found[0]

    def words_at(self, page: str | None, asked: Asked, x: int, y: int) -> list[tuple[Word, float]]:
        """The words of the prompt at a pixel of the image, with their values, the highest first."""
        maps = self.pages.get(page).maps
        height, width = maps.image_size
        if not (0 <= y < height and 0 <= x < width):
            raise SettingError(texts.NO_SPOT)
        scale = min(1.0, _SPOT_SIDE / max(height, width))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        row, column = y * size[0] // height, x * size[1] // width
        spoken = [word for word in maps.words if any(map(str.isalnum, word.text))] or list(maps.words)
        place = asked.place()
        values = [
            float(maps.heat_map(tokens=word.tokens, **place).upsampled(*size)[row, column]) for word in spoken
        ]
        return sorted(zip(spoken, values, strict=True), key=lambda pair: -pair[1])

    def command(self, page: str | None, asked: Asked) -> tuple[str, str]:
        """The `vxa show` line, and the Python lines, that make the page's picture."""
        kept = self.pages.get(page)
        output = f"{file_stem(kept.name)}-{asked.mode}.png"
        given = (self.backend.source, kept.name, kept.maps.provenance, asked, output)
        return command_line(*given), python_lines(*given)

    def files(self, page: str | None, asked: Asked) -> list[str]:
        """The paths of the picture, the mask, and the maps with their JSON, written for this download."""
        kept = self.pages.get(page)
        heat = kept.maps.heat_map(tokens=asked.settings().get("tokens"), **asked.place())
        written = self.downloads.write(kept, asked.mode, self.picture(page, asked), heat, asked.threshold)
        return [str(path) for path in written]


def _read(path: str) -> Image.Image:
    """The image in an uploaded file, of which nobody but us knows the folder."""
    try:
        return read_image(path)
    except ImageError as error:
        raise ImageError(str(error).replace(repr(path), repr(Path(path).name))) from error


def _same_site(label: str | None, labels: tuple[str, ...]) -> str:
    """The label among these that means what `label` means: a grid's numbers differ with the image's size."""
    wanted = site_spec(label)
    return next((known for known in labels if site_spec(known) == wanted), label or labels[0])


def _whole(name: str, value: Any) -> int:
    """A number box's value, which may be a float, as a whole number."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or number != value:
        raise SettingError(texts.strange_number(name, value))
    return number
