"""Pictures of one traced image, and notes on those that are missing."""

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
from vxa.webui.generation.word_maps import (
    PromptMaps,
    collect_prompt_maps,
    mean_heat_map,
    select_phrases,
    split_step_bins,
)

__all__ = ["GalleryPicture", "ImageSlot", "add_note", "draw_pictures", "draw_preview", "find_problems"]

_MAX_SINGLE = 40  # words with a picture of their own: the first ones of a long prompt
_MAX_PREVIEW = 12  # words in the live preview, which is drawn again every few steps
_NOTE_SIDE = 512  # longer side in pixels of an image under a note


@dataclass(frozen=True, eq=False)
class ImageSlot:
    """An image of the batch, and where its maps lie on it.

    Attributes:
        number: the image's index in its batch.
        image: the finished image.
        reached: number of steps that were run.
        region: the sampled part of the image as (left, top, width, height); None is all of it.
        label: text beside the maps, such as "second pass".
    """

    number: int
    image: Image.Image
    reached: int
    region: tuple[int, int, int, int] | None = None
    label: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the sampled part."""
        if self.region is None:
            return self.image.height, self.image.width
        return self.region[3], self.region[2]


@dataclass(frozen=True, eq=False)
class GalleryPicture:
    """A picture and its subject: a word, or one of PICTURES."""

    subject: str
    picture: Image.Image


def find_problems(sampling: Sampling, options: TraceOptions, number: int) -> list[str]:
    """Return notes on the requested pictures that an image of the batch lacks; none if it has all."""
    if sampling.problem:
        return [sampling.problem]
    if not options.show:
        return [strings.NOTHING_SHOWN]
    notes = sampling.missing_words(number)
    if not sampling.steps[0]:
        return [strings.NO_STEP]
    words, against = (
        select_phrases(
            collect_prompt_maps(sampling.calls, number, negative, (1, 1)), () if negative else options.phrases
        )
        for negative in (False, True)
    )
    if not words and not notes and options.show != (NEGATIVE,):
        notes.append(strings.NO_WORDS)
    if not against and NEGATIVE in options.show:
        notes.append(strings.NO_NEGATIVE)
    if len(words) > _MAX_SINGLE and EACH in options.show:
        notes.append(strings.more_words(_MAX_SINGLE, len(words)))
    return notes


def draw_pictures(sampling: Sampling, options: TraceOptions, slot: ImageSlot) -> list[GalleryPicture]:
    """Draw all requested pictures of an image, in the order of PICTURES."""
    drawn: list[GalleryPicture] = []
    if sampling.problem:
        return drawn
    positive = collect_prompt_maps(sampling.calls, slot.number, False, slot.size)
    negative = collect_prompt_maps(sampling.calls, slot.number, True, slot.size)
    words = select_phrases(positive, options.phrases)
    if words:
        if EACH in options.show:
            drawn += _draw_each(positive, words[:_MAX_SINGLE], options, slot)
        if GRID in options.show:
            drawn.append(GalleryPicture(GRID, _draw_grid(positive, words, options, slot)))
    if NEGATIVE in options.show and (against := select_phrases(negative)):
        drawn.append(
            GalleryPicture(NEGATIVE, _draw_grid(negative, against, options, slot, strings.NEGATIVE_TITLE))
        )
    if words and STEPS in options.show:
        drawn.append(GalleryPicture(STEPS, _draw_steps(positive, words, options, slot)))
    return drawn


def draw_preview(sampling: Sampling, options: TraceOptions, slot: ImageSlot) -> Image.Image | None:
    """Draw the first words' maps so far over an image of the batch; None if there are none yet."""
    prompts = collect_prompt_maps(sampling.calls, slot.number, False, slot.size)
    words = select_phrases(prompts, options.phrases)[:_MAX_PREVIEW]
    return _draw_grid(prompts, words, options, slot) if words else None


def add_note(image: Image.Image, sentence: str) -> Image.Image:
    """Draw a sentence above the image, which is scaled to the size of a figure."""
    picture = image.convert("RGB")
    picture = picture.resize(fitting((picture.height, picture.width), _NOTE_SIDE)[::-1])
    lines = [text(line, SMALL) for line in wrap(sentence, _NOTE_SIDE // 10)]
    return framed(above([*lines, picture], gap=3), GAP)


def _picture_spec(prompts: Sequence[PromptMaps], options: TraceOptions, slot: ImageSlot) -> PictureSpec:
    image = slot.image.convert("RGB")
    return PictureSpec(prompts[0].maps, image, view=options.view, region=slot.region)


def _draw_each(
    prompts: Sequence[PromptMaps], words: Sequence[str], options: TraceOptions, slot: ImageSlot
) -> Iterator[GalleryPicture]:
    spec = _picture_spec(prompts, options, slot)
    for word, heat in _heat_maps(prompts, words, options):
        yield GalleryPicture(word, overlay_figure(spec, heat, word, _label(spec, heat, prompts, slot)))


def _draw_grid(
    prompts: Sequence[PromptMaps],
    words: Sequence[str],
    options: TraceOptions,
    slot: ImageSlot,
    title: str = "",
) -> Image.Image:
    spec = _picture_spec(prompts, options, slot)
    named = _heat_maps(prompts, words, options)
    heats = [heat for _, heat in named]
    joined = " AND ".join(dict.fromkeys(prompt.maps.provenance.prompt for prompt in prompts))
    right = _label(spec, heats[0], prompts, slot)
    return heats_grid(spec, [word for word, _ in named], heats, f"{title}{joined}", right)


def _draw_steps(
    prompts: Sequence[PromptMaps], words: Sequence[str], options: TraceOptions, slot: ImageSlot
) -> Image.Image:
    """Draw a table with a row for each word and a column for each bin of steps."""
    spec = _picture_spec(prompts, options, slot)
    bins = split_step_bins(prompts)
    words = words[: MAX_CELLS // len(bins)]
    rows = [[mean_heat_map(at, word, options.refine) for _, at in bins] for word in words]
    right = _label(spec, _heat_maps(prompts, words[:1], options)[0][1], prompts, slot)
    return heats_table(spec, words, [label for label, _ in bins], rows, strings.STEPS_TITLE, right)


def _heat_maps(
    prompts: Sequence[PromptMaps], words: Sequence[str], options: TraceOptions
) -> list[tuple[str, HeatMap]]:
    named = ((word, mean_heat_map(prompts, word, options.refine)) for word in words[:MAX_CELLS])
    return [(word, heat) for word, heat in named if heat is not None]


def _label(spec: PictureSpec, heat: HeatMap, prompts: Sequence[PromptMaps], slot: ImageSlot) -> str:
    """Return a label of sites, steps and pass: "OUT04 · steps 0-19 · second pass"."""
    bins = [step_bin for prompt in prompts for step_bin in prompt.maps.steps]
    last = min(max(each.last for each in bins), slot.reached - 1)
    steps = strings.steps(min(each.first for each in bins), last)
    return " · ".join(part for part in (spec.where(heat), steps, slot.label) if part)
