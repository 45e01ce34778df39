"""Images made with their maps: what goes wrong with the maps does not cost the images.

made = make_traced(model, "a red hat")
made.image, made.maps, made.problem
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from PIL import Image

from vxa.errors import RecordingError
from vxa.generation.images import make_image
from vxa.generation.settings import GenerationSettings
from vxa.maps.attention_maps import AttentionMaps
from vxa.tracing.pipeline import Trace
from vxa.tracing.pipeline import trace as traced

__all__ = ["TracedImage", "TracedImages", "make_images_traced", "make_traced", "seeded"]

Make = Callable[[Callable[[], object]], Sequence[Image.Image]]
"""Function that makes pictures in one call of the pipeline, and calls what it is given after each step."""


def seeded(maps: Sequence[AttentionMaps], seed: int) -> tuple[AttentionMaps, ...]:
    """Return the maps of a generation with the seed that it began with, which a trace does not know."""
    return tuple(replace(each, provenance=replace(each.provenance, seed=seed)) for each in maps)


def _all_seeded(maps: Sequence[AttentionMaps], seeds: Sequence[int]) -> tuple[AttentionMaps, ...]:
    return tuple(one for each, seed in zip(maps, seeds, strict=False) for one in seeded([each], seed))


@dataclass(frozen=True, eq=False)
class TracedImage:
    """A picture, and its maps or the error that they ended with.

    Attributes:
        image: the picture.
        maps, negative_maps: of the picture, and of its negative prompt where that was traced.
        problem: what ended the tracing, while the picture was made or after. Too little memory is a
            RecordingError.
    """

    image: Image.Image
    maps: tuple[AttentionMaps, ...] = ()
    negative_maps: tuple[AttentionMaps, ...] = ()
    problem: Exception | None = None

    def check(self) -> None:
        """Raise the problem, if there was one."""
        if self.problem is not None:
            raise self.problem


@dataclass(frozen=True, eq=False)
class TracedImages:
    """Pictures of one call of the pipeline, and their maps or the error that these ended with.

    Attributes:
        images: the pictures.
        maps, negative_maps, problem: as in `TracedImage`; one for each picture.
    """

    images: tuple[Image.Image, ...]
    maps: tuple[AttentionMaps, ...] = ()
    negative_maps: tuple[AttentionMaps, ...] = ()
    problem: Exception | None = None


def make_traced(
    model: Any,
    prompt: str,
    settings: GenerationSettings = GenerationSettings(),
    on_step: Callable[[Trace | None], object] = lambda found: None,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> TracedImage:
    """Generate an image with its maps.

    An error before the end of the first step is raised, as is what `on_step` raises. A later one does not
    cost the image, which is then made once more, the same one, without being traced.

    Args:
        model, prompt, settings: as in `make_image`.
        on_step: called after each step with the trace so far; with None where the image is made once more.
        options: the settings of `vxa.trace`.
    """
    made = make_images_traced(
        model,
        lambda step: [make_image(model, prompt, settings, step)],
        [settings.seed],
        on_step,
        options,
    )
    return TracedImage(made.images[0], made.maps, made.negative_maps, made.problem)


def make_images_traced(
    model: Any,
    make: Make,
    seeds: Sequence[int],
    on_step: Callable[[Trace | None], object] = lambda found: None,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> TracedImages:
    """Generate the pictures that `make` makes, with their maps; errors as in `make_traced`.

    Args:
        model: the model whose pipeline is called.
        make: see Make; called a second time where the first trace failed.
        seeds: the seed that each picture begins with.
        on_step, options: as in `make_traced`.
    """
    attempt = _Attempt(on_step)
    try:
        return attempt.run(model, make, seeds, options)
    except Exception as error:
        if attempt.ended or not attempt.steps:
            raise
        problem = error
    # The frames hold the sums, which may be what the memory was too small for.
    traceback.clear_frames(problem.__traceback__)
    images = attempt.images or tuple(make(lambda: on_step(None)))
    return TracedImages(images, problem=_told(problem))


def _told(problem: Exception) -> Exception:
    """Return the problem, as a RecordingError where memory was too small."""
    import torch

    lacks = isinstance(problem, (MemoryError, torch.OutOfMemoryError)) or "can't allocate" in str(problem)
    if not lacks:
        return problem
    said = RecordingError(
        "the memory was too small for the trace; keep fewer steps apart, or make a smaller image"
    )
    said.__cause__ = problem
    return said


@dataclass
class _Attempt:
    """A traced generation, and how far it came.

    Attributes:
        on_step: called after each step with the trace.
        steps: the number of steps done.
        ended: whether `on_step` ended it.
        images: the pictures, from when they are made.
    """

    on_step: Callable[[Trace], object]
    steps: int = 0
    ended: bool = False
    images: tuple[Image.Image, ...] = ()

    def run(self, model: Any, make: Make, seeds: Sequence[int], options: Mapping[str, Any]) -> TracedImages:
        """Generate and trace the pictures."""
        with traced(model, **options) as found:
            self.images = tuple(make(lambda: self._count(found)))
        negative = found.negative_maps if options.get("negative") else ()
        own, other = (_all_seeded(maps, seeds) for maps in (found.maps, negative))
        return TracedImages(self.images, own, other)

    def _count(self, found: Trace) -> None:
        self.steps += 1
        self.ended = True
        self.on_step(found)
        self.ended = False
