"""What the page's controls do: plain values in, plain values out. No gradio here, and no model library."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from vxa.errors import PromptError, SettingError, VxaError
from vxa.infotext import Infotext
from vxa.maps import AttentionMaps
from vxa.render import render
from vxa.timesteps import parse_timesteps
from vxa.ui import texts
from vxa.ui.asked import Asked, command_line, python_lines
from vxa.ui.backend import Backend, Progress
from vxa.ui.chips import chips, chips_html
from vxa.ui.downloads import Downloads, file_stem
from vxa.ui.latest import Latest
from vxa.ui.pages import Kept, PageGone, Pages
from vxa.ui.passes import (
    Looked,
    Offered,
    earlier,
    looked,
    offered,
    one_pass,
    several_passes,
    uploaded,
    whole,
)
from vxa.ui.pictures import Pictures
from vxa.ui.recorded import written
from vxa.ui.spot import Spot, spot
from vxa.ui.stopping import Stoppable, Stopped
from vxa.ui.uploads import Uploads
from vxa.windows import image_spot

__all__ = ["Handlers", "sentence"]

_log = logging.getLogger("vxa.ui")


def sentence(error: Exception) -> str:
    """The error in one sentence for the page; what is no VxaError keeps its traceback in the log."""
    if isinstance(error, VxaError):
        return " ".join(str(error).split())
    _log.error("a handler of the page failed", exc_info=error)
    return texts.DEFECT


def _silent(fraction: float, what: str) -> None:
    """The progress of work that nobody watches."""


@dataclass
class Handlers:
    """The controls of all pages, over one backend; `page` is a page's id everywhere."""

    backend: Backend
    downloads: Downloads
    pages: Pages = field(default_factory=Pages)
    latest: Latest = field(default_factory=Latest)
    _stops: dict[str, threading.Event] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.pictures = Pictures(self.downloads.folder, pages=self.pages.most)
        self.uploads = Uploads(example.path for example in self.backend.examples)

    def check_image(self, image: str | None) -> None:
        """Count the file that was given; raise ImageError where it holds no image that can be read whole."""
        if image:
            self.uploads.add(image)
            uploaded(image)

    def made(self, image: str | None) -> Infotext | None:
        """How the image was made, where it says so."""
        return self.backend.made(image) if image else None

    def chips(self, prompt: str, selection: str = "", against: bool = False) -> str:
        """The HTML of the prompt's chips, those of the second selection where it is `against`."""
        blank = not (prompt or "").strip()
        listed = () if blank else chips(self.backend.tokenize(prompt))
        if against:
            return chips_html(listed, selection or "", "vxa_against", texts.AGAINST_CHIPS)
        return chips_html(listed, selection or "")

    def current_sites(self, page: str | None, site: str | None) -> Offered | None:
        """The sites of the model that the host has now, where `site` was chosen; None while it has none."""
        labels = self.backend.current_sites() if self.backend.current_sites else self.backend.sites
        try:
            maps = self.pages.get(page).maps
        except PageGone:
            maps = None
        return offered(labels, site, maps) if labels else None

    def earlier(
        self, page: str | None, image: str | None, prompt: str, timestep: Any, noise: str, seed: Any = 0
    ) -> str:
        """What to say when the page's picture is no longer of what is set; blank when it is."""
        try:
            of = earlier(self.pages.get(page), image, prompt, timestep, noise, seed)
        except PageGone:
            return ""
        return texts.earlier(of) if of else ""

    def run(
        self,
        page: str,
        image: str | None,
        prompt: str,
        timestep: Any,
        noise: str,
        site: str | None = None,
        progress: Progress = _silent,
        seed: Any = 0,
    ) -> Looked:
        """One pass over the image file, kept for the page."""
        started = time.perf_counter()
        with Stoppable(self._stops, page, progress) as told:
            kept = one_pass(self.backend, image, prompt, timestep, noise, seed, told)
        self.pages.put(page, kept)
        return looked(kept, site, time.perf_counter() - started)

    def run_timesteps(
        self,
        page: str,
        image: str | None,
        prompt: str,
        timestep: Any,
        noise: str,
        timesteps: str,
        site: str | None = None,
        progress: Progress = _silent,
        seed: Any = 0,
    ) -> Looked:
        """A pass at each of the timesteps that the page does not have yet, kept as soon as it is made.

        Where the page has maps of another image, prompt or noise, or none, it gets those of what is set.
        """
        started = time.perf_counter()
        wanted = parse_timesteps(timesteps or "", self.backend.timesteps)
        with Stoppable(self._stops, page, progress) as told:
            kept = self._current(page, image, prompt, noise, seed)
            if kept is None:
                kept = one_pass(self.backend, image, prompt, timestep, noise, seed, told)
                self.pages.put(page, kept)
            for more in several_passes(self.backend, kept, wanted, self.pages.most_bytes, told):
                if not self.pages.exchange(page, kept, more):
                    raise Stopped(texts.REPLACED)
                kept = more
        return looked(kept, site, time.perf_counter() - started)

    def _current(self, page: str, image: str | None, prompt: str, noise: str, seed: Any) -> Kept | None:
        """What the page keeps, where that is of the same image, prompt and noise."""
        try:
            kept = self.pages.get(page)
        except PageGone:
            return None
        return None if earlier(kept, image, prompt, kept.wanted.timestep, noise, seed) else kept

    def stop(self, page: str | None) -> None:
        """Stop what the page has asked for, where it can be stopped."""
        if stopping := self._stops.get(page or ""):
            stopping.set()

    def generate(self, page: str, prompt: str, seed: Any, progress: Progress = _silent) -> Image.Image:
        """A picture of the prompt, made by the model."""
        if self.backend.generate is None:
            raise PromptError(texts.NO_GENERATE)
        with Stoppable(self._stops, page, progress) as told:
            return self.backend.generate(prompt or "", whole("seed", seed), told)

    def picture(self, page: str | None, asked: Asked) -> Image.Image:
        """The picture that is asked for, without the model."""
        kept = self.pages.get(page)
        return render(_shown(kept, asked), kept.image, **asked.settings())

    def picture_file(self, page: str, asked: Asked) -> str:
        """The path of that picture as a PNG, for the page to show."""
        name = f"{file_stem(self.pages.get(page).name)}-{asked.mode}.png"
        return str(self.pictures.write(page, name, self.picture(page, asked)))

    def words_at(self, page: str | None, asked: Asked, x: int, y: int) -> Spot:
        """The words of the prompt at a pixel of the image."""
        return spot(self.pages.get(page).maps, x, y, **asked.place())

    def words_in_picture(self, page: str, asked: Asked, x: int, y: int) -> Spot:
        """The words at the spot of the image under a pixel of the picture that the page shows.

        In a cell of one site or of one pass they are those of that site or pass.
        """
        kept = self.pages.get(page)
        found = image_spot(self.pictures.windows(page), kept.maps.image_size, (y, x))
        if found is None:
            raise SettingError(texts.NO_SPOT)
        row, column, window = found
        place = {**asked.place(), **({"sites": window.site} if window.site else {})}
        passes = kept.passes if window.number < len(kept.passes) else (kept.maps,)
        maps = passes[window.number] if asked.mode == "timesteps" else kept.maps
        return spot(maps, column, row, **place)

    def command(self, page: str | None, asked: Asked) -> tuple[str, str]:
        """The `vxa show` line, and the Python lines, that make the page's picture."""
        kept = self.pages.get(page)
        made = [maps.provenance for maps in _shown(kept, asked)]
        output = f"{file_stem(kept.name)}-{asked.mode}.png"
        given = (self.backend.source(made[0].model), kept.name, made, asked, output)
        return command_line(*given), python_lines(*given)

    def keep(self, page: str | None, asked: Asked) -> str:
        """The name of the picture, saved among the host's own with how it was made."""
        if self.backend.keep is None:
            raise SettingError(texts.NO_KEEPING)
        made = written(_shown(self.pages.get(page), asked), asked)
        return self.backend.keep(self.picture(page, asked), made)

    def files(self, page: str | None, asked: Asked) -> list[str]:
        """The paths of the picture, the mask, and the maps with their JSON, written for this download."""
        kept = self.pages.get(page)
        heat = kept.maps.heat_map(tokens=asked.settings().get("tokens"), **asked.place())
        written = self.downloads.write(kept, asked.mode, self.picture(page, asked), heat, asked.threshold)
        return [str(path) for path in written]


def _shown(kept: Kept, asked: Asked) -> Sequence[AttentionMaps]:
    """The maps that the picture is made of."""
    return kept.passes if asked.mode == "timesteps" and kept.passes else (kept.maps,)
