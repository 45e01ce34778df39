"""What the page's controls do: plain values in, plain values out. No gradio here, and no model library."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image

from vxa.errors import ImageError, PromptError, SettingError, VxaError
from vxa.io.infotext import Infotext
from vxa.maps.attention_maps import AttentionMaps
from vxa.pictures.image_regions import image_spot
from vxa.tracing.timesteps import parse_timesteps
from vxa.ui import strings
from vxa.ui.anchor import Anchor, noted
from vxa.ui.asked import Asked
from vxa.ui.backend import Backend, ModelFacts, Progress
from vxa.ui.chips import Chip, chips
from vxa.ui.commands import (
    command_line,
    python_lines,
    steered_line,
    steered_python,
    trace_line,
    trace_python,
)
from vxa.ui.downloads import Downloads, file_stem
from vxa.ui.drawing import check_drawable, checked, drawn, read_in
from vxa.ui.editing import Edited, edited, given_chips, prompt_chips, prompt_chips_html
from vxa.ui.latest import Latest
from vxa.ui.pages import Kept, PageGone, Pages
from vxa.ui.painting import Made, painted
from vxa.ui.passes import (
    Looked,
    Offered,
    digest,
    earlier,
    looked,
    offered,
    one_pass,
    several_passes,
    uploaded,
    whole,
)
from vxa.ui.peek import peek_html, peeked
from vxa.ui.pictures import Pictures
from vxa.ui.recorded import written
from vxa.ui.spot import Spot, spot
from vxa.ui.steering import ControlChoice, Steering
from vxa.ui.stopping import Stoppable, Stopped
from vxa.ui.together import counterpart
from vxa.ui.uploads import Uploads

__all__ = ["Handlers", "sentence"]

_log = logging.getLogger("vxa.ui")


def sentence(error: Exception) -> str:
    """The error in one sentence for the page; what is no VxaError keeps its traceback in the log."""
    if isinstance(error, VxaError):
        return " ".join(str(error).split())
    _log.error("a handler of the page failed", exc_info=error)
    return strings.DEFECT


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
        listed = prompt_chips(self.backend.tokenize, prompt)
        return prompt_chips_html(listed, prompt or "", selection or "", against)

    def edited(
        self, prompt: str | None, anchor: str = "", selection: str | None = "", against: str | None = ""
    ) -> Edited:
        """The selections in the prompt as it is now; `anchor` tells which one they were made in."""
        return edited(self.backend.tokenize, prompt, anchor, selection, against)

    def noted(self, anchor: str, selection: str | None, against: str | None) -> list[str]:
        """What is to be said of the selections: words that are gone, and indices that are no words."""
        return noted(Anchor.read(anchor), (selection or "", against or ""))

    def current_sites(self, page: str | None, site: str | None) -> Offered | None:
        """The sites of the model that the host has now, where `site` was chosen; None while it has none."""
        labels = self.backend.current_sites() if self.backend.current_sites else self.facts.sites
        kept = self.pages.find(page)
        return offered(labels, site, kept.maps if kept else None) if labels else None

    @property
    def facts(self) -> ModelFacts:
        """The facts of the model that is there; before there is one, what the page begins with."""
        backend = self.backend
        found = backend.models.facts if backend.models else None
        return found or ModelFacts(backend.model, backend.sites, backend.timesteps)

    def _held(self, told: Progress) -> AbstractContextManager[object]:
        """A block of one model, where the model may be exchanged; it waits until there is one."""
        return self.backend.models.hold(told) if self.backend.models else nullcontext()

    def earlier(
        self, page: str | None, image: str | None, prompt: str, timestep: Any, noise: str, seed: Any = 0
    ) -> str:
        """What to say when the page's picture is no longer of what is set; blank when it is."""
        try:
            of = self._earlier(self.pages.get(page), image, prompt, timestep, noise, seed)
        except PageGone:
            return ""
        return strings.earlier(of) if of else ""

    def _earlier(self, kept: Kept, *wanted: Any) -> list[str]:
        """What the page's maps are of that is set otherwise now; another model comes first."""
        model = kept.maps.provenance.model
        other = self.backend.models is not None and model != self.facts.model
        return [*([strings.earlier_setting("model", model)] if other else []), *earlier(kept, *wanted)]

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
        refine: bool = False,
    ) -> Looked:
        """One pass over the image file, kept for the page; `refine` records self-attention too."""
        started = time.perf_counter()
        with Stoppable(self._stops, page, progress) as told, self._held(told):
            kept = one_pass(self.backend, image, prompt, timestep, noise, seed, refine, told)
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
        refine: bool = False,
    ) -> Looked:
        """A pass at each of the timesteps that the page does not have yet, kept as soon as it is made.

        Where the page has maps of another image, prompt or noise, or none, or not the self-attention that
        `refine` asks for, it gets those of what is set.
        """
        started = time.perf_counter()
        with Stoppable(self._stops, page, progress) as told, self._held(told):
            wanted = parse_timesteps(timesteps or "", self.facts.timesteps)
            kept = self._current(page, image, prompt, noise, seed)
            if kept is None or kept.wanted.traced or (refine and not kept.wanted.refine):
                kept = one_pass(self.backend, image, prompt, timestep, noise, seed, refine, told)
                self.pages.put(page, kept)
            for more in several_passes(self.backend, kept, wanted, self.pages.most_bytes, told):
                if not self.pages.exchange(page, kept, more):
                    raise Stopped(strings.REPLACED)
                kept = more
        return looked(kept, site, time.perf_counter() - started)

    def _current(self, page: str, image: str | None, prompt: str, noise: str, seed: Any) -> Kept | None:
        """What the page keeps, where that is of the same image, prompt and noise."""
        kept = self.pages.find(page)
        if kept is None:
            return None
        return None if self._earlier(kept, image, prompt, kept.wanted.timestep, noise, seed) else kept

    def stop(self, page: str | None) -> None:
        """Stop what the page has asked for, where it can be stopped."""
        if stopping := self._stops.get(page or ""):
            stopping.set()

    def paint(
        self,
        page: str,
        prompt: str,
        seed: Any,
        refine: bool = False,
        site: str | None = None,
        progress: Progress = _silent,
        asked: Asked | None = None,
        choice: ControlChoice | None = None,
    ) -> Made:
        """An image of the prompt, made by the model, and kept for the page with what was traced meanwhile.

        So are the pictures that the control of `choice` makes together with it. Each time its progress is
        told, the page has what there is of the image. Where the maps could not answer what is `asked`,
        nothing is made, and their error is raised at once.
        """
        if self.backend.paint is None:
            raise PromptError(strings.NO_GENERATE)
        started, number, folder = time.perf_counter(), whole("seed", seed), self.downloads.folder
        prompt, refine = prompt or "", bool(refine)
        steering = choice.steering(prompt) if choice else None
        with Stoppable(self._stops, page, progress) as told, self._held(told):
            self._check_expected(prompt, refine, asked or Asked(), steering)
            settings = prompt, number, refine, folder, told, steering
            made = painted(self.backend.paint, self.pages, page, *settings)
        seconds = time.perf_counter() - started
        for file in filter(None, made.files):
            self.uploads.add(file)
        pictures = tuple(zip(made.files, steering.prompts, strict=False)) if steering else ()
        problem = "" if made.problem is None else sentence(made.problem)
        if made.kept is None:
            summary, sites = strings.untraced(prompt, seconds), self.facts.sites
            problem = strings.not_traced(problem)
            return Made(sites, site or sites[0], summary, made.files[0], problem, pictures)
        said = looked(made.kept, site, seconds)
        return Made(said.sites, said.site, said.summary, made.files[0], problem, pictures)

    def choose(self, page: str, image: str, asked: Asked) -> tuple[Looked, Asked] | None:
        """Explore, of the pictures that were made together, the one in this file; None where it has no maps.

        Also return what is asked with the counterparts of its words, in the tokens of that picture. Raises
        ImageError where the file is gone.
        """
        chosen, kept = digest(image), self.pages.find(page)
        if not chosen:
            raise ImageError(strings.IMAGE_GONE)
        found = next((each for each in kept.batch if each.wanted.digest == chosen), None) if kept else None
        if kept is None or found is None:
            return None
        own, _ = counterpart(self.settled(page, asked), kept.maps, found.maps)
        self.pages.put(page, replace(found, batch=kept.batch))
        said = looked(found, asked.sites, None)
        own = own or replace(asked, selection="", against="", anchor="")
        return said, replace(own, sites=said.site)

    def _check_expected(
        self, prompt: str, refine: bool, asked: Asked, steering: Steering | None = None
    ) -> None:
        """Raise the error of what the maps of an image of the prompt could not answer, before it is made."""
        if self.backend.expected is None:
            return
        maps = self.backend.expected(prompt, refine)
        check_drawable(maps, read_in(asked, maps, self._given(asked, maps), strict=False))
        for other in steering.prompts[1:] if steering else ():
            check_drawable(self.backend.expected(other, refine), replace(asked, selection="", against=""))

    def _answering(self, page: str | None, asked: Asked) -> tuple[Kept, Asked]:
        """What the page has, where that answers what is asked, and that in the tokens of its maps."""
        kept = self.pages.get(page)
        asked = read_in(asked, kept.maps, self._given(asked, kept.maps))
        return checked(kept, asked), asked

    def _given(self, asked: Asked, maps: AttentionMaps) -> tuple[Chip, ...] | None:
        """The chips that the indices of what is asked are of; None where they are those of the maps."""
        return given_chips(self.backend.tokenize, asked, maps)

    def settled(self, page: str | None, asked: Asked) -> Asked:
        """What is asked, in the tokens of the page's maps, without words that their prompt does not have."""
        maps = self.pages.get(page).maps
        return read_in(asked, maps, self._given(asked, maps), strict=False)

    def picture(self, page: str | None, asked: Asked) -> Image.Image:
        """The picture that is asked for, without the model."""
        return drawn(*self._answering(page, asked))

    def peek(self, page: str | None, prompt: str, asked: Asked, pointed: str) -> str:
        """The HTML of where the chip's word is that is `pointed` at; blank where that cannot be shown."""
        try:
            return peek_html(*self._answering(page, peeked(asked, pointed)), prompt, pointed)
        except VxaError:  # what is wrong is said where it was chosen, not where somebody points
            return ""

    def picture_file(self, page: str, asked: Asked) -> str:
        """The path of that picture as a PNG, for the page to show."""
        kept = self.pages.get(page)
        name = f"{file_stem(kept.name)}-{asked.mode}{'-together' if kept.batch else ''}.png"
        return str(self.pictures.write(page, name, self.picture(page, asked)))

    def words_at(self, page: str | None, asked: Asked, x: int, y: int) -> Spot:
        """The words of the prompt at a pixel of the image."""
        kept = checked(self.pages.get(page), asked)
        return self._in_boxes(kept, asked, spot(kept.maps, x, y, **asked.place()))

    def words_in_picture(self, page: str, asked: Asked, x: int, y: int) -> Spot:
        """The words at the spot of the image under a pixel of the picture that the page shows.

        In a cell of one site or of one pass they are those of that site or pass.
        """
        kept = checked(self.pages.get(page), asked)
        found = image_spot(self.pictures.image_regions(page), kept.maps.image_size, (y, x))
        if found is None:
            raise SettingError(strings.NO_SPOT)
        row, column, window = found
        place = {**asked.place(), **({"sites": window.site} if window.site else {})}
        shown = [maps for each in kept.pictures for maps in each.shown(asked.mode)]
        maps = shown[window.number] if window.number < len(shown) else kept.maps
        return self._in_boxes(kept, asked, spot(maps, column, row, **place), maps)

    def _in_boxes(self, kept: Kept, asked: Asked, at: Spot, maps: AttentionMaps | None = None) -> Spot:
        """The spot, its words with their tokens in the prompt of the boxes; with none if it lacks them.

        `maps` are those it was read in, where they are another picture's than the one that is explored.
        """
        given = self._given(asked, kept.maps)
        own, boxes = (chips(each.tokens) for each in (maps or kept.maps, kept.maps))
        return at if given is None and own == boxes else at.followed(own, given or boxes)

    def command(self, page: str | None, asked: Asked) -> tuple[str, str]:
        """The line for a shell, and the Python lines, that make the page's picture."""
        kept, asked = self._answering(page, asked)
        output = f"{file_stem(kept.name)}-{asked.mode}.png"
        source = self.backend.source(kept.maps.provenance.model)
        if kept.steering is not None:
            together = source, kept, kept.steering
            return steered_line(*together), steered_python(*together, asked)
        if kept.wanted.traced:
            line = trace_line(source, kept.name, kept.maps, asked, output)
            return line, trace_python(source, kept.name, kept.maps, asked, output)
        passes = [maps.provenance for maps in kept.shown(asked.mode)]
        given = (source, kept.name, passes, asked, output, self._scene_of(kept))
        return command_line(*given), python_lines(*given)

    def _scene_of(self, kept: Kept) -> int | None:
        """Return the seed of the papercut scene that the image is, where it is one of the examples."""
        known = {digest(str(each.path)): each.scene for each in self.backend.examples}
        return known.get(kept.wanted.digest)

    def keep(self, page: str | None, asked: Asked) -> str:
        """The name of the picture, saved among the host's own with how it was made."""
        if self.backend.keep is None:
            raise SettingError(strings.NO_KEEPING)
        kept, read = self._answering(page, asked)
        made = written(kept.shown(read.mode), read)
        return self.backend.keep(self.picture(page, asked), made)

    def files(self, page: str | None, asked: Asked) -> list[str]:
        """The paths of the picture, the mask, and the maps with their JSON, written for this download."""
        kept, asked = self._answering(page, asked)
        heat = kept.maps.heat_map(tokens=asked.settings().get("tokens"), **asked.place())
        mask = (heat, asked.threshold, asked.edges)
        written = self.downloads.write(kept, asked.mode, self.picture(page, asked), *mask)
        return [str(path) for path in written]
