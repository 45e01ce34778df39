"""An image made with its maps: what goes wrong with the maps does not cost the image.

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

__all__ = ["TracedImage", "make_traced", "seeded"]


def seeded(maps: Sequence[AttentionMaps], seed: int) -> tuple[AttentionMaps, ...]:
    """Return the maps of a generation with the seed that it began with, which a trace does not know."""
    return tuple(replace(each, provenance=replace(each.provenance, seed=seed)) for each in maps)


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
    attempt = _Attempt(on_step)
    try:
        return attempt.run(model, prompt, settings, options)
    except Exception as error:
        if attempt.ended or not attempt.steps:
            raise
        problem = error
    # The frames hold the sums, which may be what the memory was too small for.
    traceback.clear_frames(problem.__traceback__)
    image = attempt.image or make_image(model, prompt, settings, lambda: on_step(None))
    return TracedImage(image, problem=_told(problem))


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
        image: the picture, from when it is made.
    """

    on_step: Callable[[Trace], object]
    steps: int = 0
    ended: bool = False
    image: Image.Image | None = None

    def run(
        self, model: Any, prompt: str, settings: GenerationSettings, options: Mapping[str, Any]
    ) -> TracedImage:
        """Generate and trace the image."""
        with traced(model, **options) as found:
            self.image = make_image(model, prompt, settings, lambda: self._count(found))
        negative = found.negative_maps if options.get("negative") else ()
        return TracedImage(self.image, seeded(found.maps, settings.seed), seeded(negative, settings.seed))

    def _count(self, found: Trace) -> None:
        self.steps += 1
        self.ended = True
        self.on_step(found)
        self.ended = False
