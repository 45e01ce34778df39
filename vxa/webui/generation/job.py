"""A traced generation of the webui: its samplings, the pictures of its images, its notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import ReferenceType

from PIL import Image

from vxa.errors import VxaError
from vxa.ui import strings as page_strings
from vxa.webui import strings
from vxa.webui.generation.gallery import GalleryPicture, ImageSlot, draw_pictures, draw_preview, find_problems
from vxa.webui.generation.options import TraceOptions
from vxa.webui.generation.sampling import Sampling

__all__ = ["Job", "TracedImage"]


@dataclass(frozen=True, eq=False)
class TracedImage:
    """A finished image of the job and its pictures.

    Attributes:
        number: the image's index among all images of the job.
        image: the image.
        pictures: its pictures.
    """

    number: int
    image: Image.Image
    pictures: list[GalleryPicture]


@dataclass(eq=False)
class Job:
    """State of one traced generation.

    Attributes:
        owner: the webui's object of the generation, which holds the job; a copy of the object has no job.
        options: the options of the generation.
        in_plot: whether it is a cell of a plot, which shows only the first picture.
        warn: shows a sentence on a page that gets no pictures.
        images: the finished images of all batches.
        notes: the sentences for the page, without duplicates; a dict for its order.
    """

    owner: ReferenceType[Any]
    options: TraceOptions
    in_plot: bool = False
    warn: Callable[[str], None] = lambda sentence: None
    images: list[TracedImage] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    _samplings: list[tuple[str, Sampling]] = field(default_factory=list)
    _step: int = 0

    @property
    def sampling(self) -> Sampling | None:
        """The current or last sampling of the batch; None before the first."""
        return self._samplings[-1][1] if self._samplings else None

    def begin_batch(self) -> None:
        """Forget the samplings of the batch before, whose pictures are drawn."""
        self.release()
        self._samplings.clear()

    def sampling_at(self, label: str, step: int) -> Sampling | None:
        """Return the sampling whose denoiser is about to make a step; None if tracing is off.

        A new sampling begins if the label changes (hires fix's second pass follows the first) or the step
        decreases. The webui announces a sampling's beginning too, but 1.8.0 does not."""
        if not self.options.enabled:
            return None
        if not self._samplings or label != self._samplings[-1][0] or step < self._step:
            self.release()
            self._samplings.append((label, Sampling(self.options, self._warn_of_failure)))
        self._step = step
        return self.sampling

    def release(self) -> None:
        """Remove every hook of the job."""
        for _, sampling in self._samplings:
            sampling.release()

    def draw(
        self, number: int, index: int, image: Image.Image, region: tuple[int, int, int, int] | None,
        interrupted: bool,
    ) -> None:  # fmt: skip
        """Draw the pictures of a finished image: `number` counts in the job, `index` in the batch."""
        if not self.options.enabled:
            return
        label, sampling = self._last()
        if sampling is None:
            self.add_note(strings.NO_STEP)
            return
        sampling.finish()
        slot = ImageSlot(index, image, sampling.steps[0], region, label)
        try:
            pictures = draw_pictures(sampling, self.options, slot)
        except VxaError as error:
            pictures = []
            self.add_note(strings.not_traced(str(error)))
        except Exception:  # the webui writes it into its log
            self.add_note(strings.not_traced(page_strings.DEFECT))
            raise
        self.images.append(TracedImage(number, image, pictures))
        for sentence in find_problems(sampling, self.options, index):
            self.add_note(sentence)
        if pictures and interrupted and sampling.steps[0] < sampling.steps[1]:
            self.add_note(strings.interrupted(*sampling.steps))

    def preview(self, image: Image.Image) -> Image.Image | None:
        """Draw the maps so far over the current state of the batch's first image; None if `live` is off."""
        sampling = self.sampling
        if not self.options.live or sampling is None or sampling.problem:
            return None
        return draw_preview(sampling, self.options, ImageSlot(0, image, sampling.steps[0]))

    def _last(self) -> tuple[str, Sampling | None]:
        """Return the last sampling with a step or a problem, and its label.

        It made the finished image, or the smaller one that was enlarged to it.
        """
        for label, sampling in reversed(self._samplings):
            if sampling.steps[0] or sampling.problem:
                return label, sampling
        return "", None

    def finish(self) -> None:
        """End the generation; add a note if it has no image."""
        self.release()
        if not self.images and not self.notes:
            self.add_note(strings.NONE_FINISHED)

    def add_note(self, sentence: str) -> None:
        """Add a sentence for the page."""
        self.notes[" ".join(sentence.split())] = None

    def _warn_of_failure(self) -> None:
        self.warn(strings.GENERATION_FAILED)
