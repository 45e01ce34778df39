"""One generation of the webui that is traced: its samplings, the pictures of its images, its sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import ReferenceType

from PIL import Image

from vxa.errors import VxaError
from vxa.ui import strings as page_strings
from vxa.webui import strings
from vxa.webui.generation.gallery import GalleryPicture, ImageSlot, pictures, preview, problems
from vxa.webui.generation.options import TraceOptions
from vxa.webui.generation.sampling import Sampling

__all__ = ["Job", "TracedImage"]


@dataclass(frozen=True, eq=False)
class TracedImage:
    """A finished image of the job and its pictures.

    Attributes:
        number: its place among all images of the job.
        image: the image.
        shown: its pictures.
    """

    number: int
    image: Image.Image
    shown: list[GalleryPicture]


@dataclass(eq=False)
class Job:
    """What is kept of one generation: for each batch its samplings, for each image its pictures.

    Attributes:
        owner: the webui's own object of the generation, on which the job hangs; a copy of it is another.
        wanted: what is to be shown.
        in_plot: whether it is a cell of a plot, which shows the first picture alone.
        warn: what shows a sentence in a page that gets no pictures.
        traced: the images that were finished.
        said: the sentences for the page, each once.
    """

    owner: ReferenceType[Any]
    wanted: TraceOptions
    in_plot: bool = False
    warn: Callable[[str], None] = lambda sentence: None
    traced: list[TracedImage] = field(default_factory=list)
    said: dict[str, None] = field(default_factory=dict)
    _samplings: list[tuple[str, Sampling]] = field(default_factory=list)
    _step: int = 0

    @property
    def sampling(self) -> Sampling | None:
        """The one that is going on, or was last."""
        return self._samplings[-1][1] if self._samplings else None

    def begin_batch(self) -> None:
        """Forget the batch before, whose images have their pictures."""
        self.release()
        self._samplings.clear()

    def sampling_at(self, label: str, step: int) -> Sampling | None:
        """The sampling whose denoiser is about to make a step; None where nothing is wanted.

        It is a new one where the last has another label (hires fix's second pass goes over what the first
        made) or was further on. The webui tells of a sampling's beginning too, but 1.8.0 does not."""
        if not self.wanted.enabled:
            return None
        if not self._samplings or label != self._samplings[-1][0] or step < self._step:
            self.release()
            self._samplings.append((label, Sampling(self.wanted, self._failed)))
        self._step = step
        return self.sampling

    def release(self) -> None:
        """Take every hook of the job away."""
        for _, sampling in self._samplings:
            sampling.release()

    def draw(
        self, number: int, place: int, image: Image.Image, region: tuple[int, int, int, int] | None,
        interrupted: bool,
    ) -> None:  # fmt: skip
        """Make the pictures of an image that is finished: the job's `number`th, `place`d so in its batch."""
        if not self.wanted.enabled:
            return
        label, sampling = self._last()
        if sampling is None:
            self.say(strings.NO_STEP)
            return
        sampling.finish()
        try:
            shown = pictures(sampling, self.wanted, ImageSlot(place, image, sampling.steps[0], region, label))
        except VxaError as error:
            shown = []
            self.say(strings.not_traced(str(error)))
        except Exception:  # the webui writes it into its log
            self.say(strings.not_traced(page_strings.DEFECT))
            raise
        self.traced.append(TracedImage(number, image, shown))
        for sentence in problems(sampling, self.wanted, place):
            self.say(sentence)
        if shown and interrupted and sampling.steps[0] < sampling.steps[1]:
            self.say(strings.interrupted(*sampling.steps))

    def preview(self, image: Image.Image) -> Image.Image | None:
        """The maps so far over what the first image of the batch is at this moment, where that is wanted."""
        sampling = self.sampling
        if not self.wanted.live or sampling is None or sampling.problem:
            return None
        return preview(sampling, self.wanted, ImageSlot(0, image, sampling.steps[0]))

    def _last(self) -> tuple[str, Sampling | None]:
        """The last sampling that made a step: it painted the image, or what was enlarged to it."""
        for label, sampling in reversed(self._samplings):
            if sampling.steps[0] or sampling.problem:
                return label, sampling
        return "", None

    def finish(self) -> None:
        """The generation is finished, with whatever images."""
        self.release()
        if not self.traced and not self.said:
            self.say(strings.NONE_FINISHED)

    def say(self, sentence: str) -> None:
        """Have a sentence shown in the page."""
        self.said[" ".join(sentence.split())] = None

    def _failed(self) -> None:
        self.warn(strings.GENERATION_FAILED)
