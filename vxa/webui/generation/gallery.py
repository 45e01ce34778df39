"""The pictures of one traced image, and what there is to say where one is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

from PIL import Image

from vxa.maps.heat_map import HeatMap
from vxa.pictures.grids import MAX_CELLS, heats_grid, heats_table
from vxa.pictures.layout import GAP, SMALL, above, fitting, framed, text
from vxa.pictures.picture_spec import PictureSpec
from vxa.pictures.render import overlay_figure
from vxa.webui import strings
from vxa.webui.generation.options import EACH, GRID, NEGATIVE, STEPS, TraceOptions
from vxa.webui.generation.sampling import Sampling
from vxa.webui.generation.word_maps import PromptMaps, at_each_bin, heat_of, pieces_of, subjects

__all__ = ["GalleryPicture", "ImageSlot", "pictures", "preview", "problems", "told"]

_EACH = 40  # words that have a picture of their own: of a long prompt, the first
_FIRST = 12  # words in the live preview, which is made anew every few steps
_TOLD = 512  # pixels of an image that is shown for want of its map


@dataclass(frozen=True, eq=False)
class ImageSlot:
    """Where the maps of an image go.

    Attributes:
        number: the image's place in its batch.
        image: the finished image.
        region: the part of it that was sampled, as (left, top, width, height); None is all of it.
        reached: how many steps were made.
        label: what stands beside the maps: of a second pass, that it is one.
    """

    number: int
    image: Image.Image
    reached: int
    region: tuple[int, int, int, int] | None = None
    label: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of what was sampled."""
        if self.region is None:
            return self.image.height, self.image.width
        return self.region[3], self.region[2]


@dataclass(frozen=True, eq=False)
class GalleryPicture:
    """A picture, and what it is of: a word, or one of SHOWN."""

    of: str
    picture: Image.Image


def problems(sampling: Sampling, wanted: TraceOptions, number: int) -> list[str]:
    """Why an image of the batch has not all that is wanted of it; none where it has."""
    if sampling.problem:
        return [sampling.problem]
    if not wanted.show:
        return [strings.NOTHING_SHOWN]
    said = sampling.unknown(number)
    if not sampling.steps[0]:
        return [strings.NO_STEP]
    words, against = (
        subjects(pieces_of(sampling.calls, number, negative, (1, 1)), () if negative else wanted.phrases)
        for negative in (False, True)
    )
    if not words and not said and wanted.show != (NEGATIVE,):
        said.append(strings.NO_WORDS)
    if not against and NEGATIVE in wanted.show:
        said.append(strings.NO_NEGATIVE)
    if len(words) > _EACH and EACH in wanted.show:
        said.append(strings.more_words(_EACH, len(words)))
    return said


def pictures(sampling: Sampling, wanted: TraceOptions, place: ImageSlot) -> list[GalleryPicture]:
    """All that is wanted of an image, in the order of SHOWN."""
    drawn: list[GalleryPicture] = []
    if sampling.problem:
        return drawn
    own = pieces_of(sampling.calls, place.number, False, place.size)
    negative = pieces_of(sampling.calls, place.number, True, place.size)
    words = subjects(own, wanted.phrases)
    if words:
        if EACH in wanted.show:
            drawn += _each(own, words[:_EACH], wanted, place)
        if GRID in wanted.show:
            drawn.append(GalleryPicture(GRID, _grid(own, words, wanted, place)))
    if NEGATIVE in wanted.show and (against := subjects(negative)):
        drawn.append(
            GalleryPicture(NEGATIVE, _grid(negative, against, wanted, place, strings.NEGATIVE_TITLE))
        )
    if words and STEPS in wanted.show:
        drawn.append(GalleryPicture(STEPS, _strip(own, words, wanted, place)))
    return drawn


def preview(sampling: Sampling, wanted: TraceOptions, place: ImageSlot) -> Image.Image | None:
    """The first words' maps so far over an image of the batch; None where there are none yet."""
    pieces = pieces_of(sampling.calls, place.number, False, place.size)
    words = subjects(pieces, wanted.phrases)[:_FIRST]
    return _grid(pieces, words, wanted, place) if words else None


def told(image: Image.Image, sentence: str) -> Image.Image:
    """The image under a sentence, as large as a figure."""
    picture = image.convert("RGB")
    picture = picture.resize(fitting((picture.height, picture.width), _TOLD)[::-1])
    lines = [text(line, SMALL) for line in wrap(sentence, _TOLD // 10)]
    return framed(above([*lines, picture], gap=3), GAP)


def _question(pieces: Sequence[PromptMaps], wanted: TraceOptions, place: ImageSlot) -> PictureSpec:
    image = place.image.convert("RGB")
    return PictureSpec(pieces[0].maps, image, view=wanted.view, region=place.region)


def _each(
    pieces: Sequence[PromptMaps], words: Sequence[str], wanted: TraceOptions, place: ImageSlot
) -> Iterator[GalleryPicture]:
    question = _question(pieces, wanted, place)
    for word, heat in _heats(pieces, words, wanted):
        yield GalleryPicture(
            word, overlay_figure(question, heat, word, _where(question, heat, pieces, place))
        )


def _grid(
    pieces: Sequence[PromptMaps],
    words: Sequence[str],
    wanted: TraceOptions,
    place: ImageSlot,
    title: str = "",
) -> Image.Image:
    question = _question(pieces, wanted, place)
    named = _heats(pieces, words, wanted)
    heats = [heat for _, heat in named]
    prompt = " AND ".join(dict.fromkeys(piece.maps.provenance.prompt for piece in pieces))
    right = _where(question, heats[0], pieces, place)
    return heats_grid(question, [word for word, _ in named], heats, f"{title}{prompt}", right)


def _strip(
    pieces: Sequence[PromptMaps], words: Sequence[str], wanted: TraceOptions, place: ImageSlot
) -> Image.Image:
    """A row for each word, a column for each bin of steps."""
    question = _question(pieces, wanted, place)
    bins = at_each_bin(pieces)
    words = words[: MAX_CELLS // len(bins)]
    rows = [[heat_of(at, word, wanted.refine) for _, at in bins] for word in words]
    right = _where(question, _heats(pieces, words[:1], wanted)[0][1], pieces, place)
    return heats_table(question, words, [label for label, _ in bins], rows, strings.STEPS_TITLE, right)


def _heats(
    pieces: Sequence[PromptMaps], words: Sequence[str], wanted: TraceOptions
) -> list[tuple[str, HeatMap]]:
    made = ((word, heat_of(pieces, word, wanted.refine)) for word in words[:MAX_CELLS])
    return [(word, heat) for word, heat in made if heat is not None]


def _where(question: PictureSpec, heat: HeatMap, pieces: Sequence[PromptMaps], place: ImageSlot) -> str:
    """The sites, the steps and the pass, for a label: "OUT04 · steps 0-19 · second pass"."""
    kept = [step_bin for piece in pieces for step_bin in piece.maps.steps]
    last = min(max(each.last for each in kept), place.reached - 1)
    steps = strings.steps(min(each.first for each in kept), last)
    return " · ".join(part for part in (question.where(heat), steps, place.label) if part)
