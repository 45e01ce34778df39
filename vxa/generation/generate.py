"""Image generation from prompts, by the model's own pipeline, with the maps of their words where wanted.

result = generate("papercut", "a red hat", seed=3, trace=True)
result.image.save("hat.png")
result.maps[0].heat_map("hat")
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from PIL import Image

from vxa.errors import ModelError, PromptError, RecordingError, SettingError
from vxa.generation.expected import expected_maps
from vxa.generation.settings import GenerationSettings
from vxa.maps.attention_maps import AttentionMaps
from vxa.models import load
from vxa.tracing.pipeline import Trace
from vxa.tracing.pipeline import trace as traced

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["GenerationResult", "TracedImage", "generate", "make_image", "make_traced", "seeded"]

_EXPECTED = ("words", "tokens", "sites", "bins", "heads", "negative", "self_attention")


@dataclass(frozen=True, eq=False)
class GenerationResult:
    """Pictures, and the maps of what each word of their prompts painted.

    Attributes:
        images: one for each prompt.
        maps: one for each image; none where nothing was traced.
        negative_maps: one for each image, of its negative prompt, where that was traced.
    """

    images: tuple[Image.Image, ...]
    maps: tuple[AttentionMaps, ...] = ()
    negative_maps: tuple[AttentionMaps, ...] = ()

    @property
    def image(self) -> Image.Image:
        """The first image."""
        return self.images[0]


def generate(
    source: object,
    prompt: str | Sequence[str],
    *,
    negative: str = GenerationSettings.negative,
    seed: int = GenerationSettings.seed,
    steps: int = GenerationSettings.steps,
    guidance: float = GenerationSettings.guidance,
    size: str | None = GenerationSettings.size,
    trace: bool | Mapping[str, Any] = False,
    on_step: Callable[[], object] = lambda: None,
) -> GenerationResult:
    """Make a picture of each prompt, one after the other, each from the noise of the same seed.

    What can be known of a bad argument is refused before the first step. A later error has the pictures that
    were made as its `images`. Where tracing fails after the first step, the picture is still made, without a
    trace, and is the last of them.

    Args:
        source: a pipeline, a model with one, or what `vxa.load` takes.
        prompt: one, or several; of any length.
        negative, seed, steps, guidance, size: see `GenerationSettings`.
        trace: keep the maps of every word; a mapping has further settings of `vxa.trace`, as
            {"self_attention": True, "bins": "each"}.
        on_step: called after each step; what it raises ends the generation.

    Raises:
        ModelError: the source is no model, or one without a pipeline.
        SettingError, PromptError: a bad argument.
        RecordingError, SiteError, WordError, TokenIndexError: as `vxa.trace`.
    """
    prompts = _check_prompts(prompt)
    options = _check_trace(trace)
    settings = GenerationSettings(negative, seed, steps, guidance, size)
    if options is not None and options.get("negative") and settings.guidance <= 1:
        raise SettingError(
            f"guidance {settings.guidance:g} reads no negative prompt to trace; give a guidance above 1, or "
            "trace without negative"
        )
    model = load(source)
    if options is not None:
        _check_expected(model, prompts, settings, options)
    made: list[TracedImage] = []
    try:
        for each in prompts:
            if options is None:
                made.append(TracedImage(make_image(model, each, settings, on_step)))
            else:
                made.append(make_traced(model, each, settings, lambda found: on_step(), options))
                made[-1].check()
    except Exception as error:
        error.images = tuple(one.image for one in made)  # type: ignore[attr-defined]
        raise
    return GenerationResult(
        tuple(one.image for one in made),
        tuple(maps for one in made for maps in one.maps),
        tuple(maps for one in made for maps in one.negative_maps),
    )


def _check_prompts(prompt: str | Sequence[str]) -> list[str]:
    prompts = [prompt] if isinstance(prompt, str) or not isinstance(prompt, Sequence) else list(prompt)
    if not prompts or not all(isinstance(each, str) for each in prompts):
        raise PromptError(f'{prompt!r} is no prompt; give text such as "a red hat", or several in a list')
    return prompts


def _check_trace(trace: bool | Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the settings of the trace, None for no trace. Raises SettingError."""
    if isinstance(trace, bool):
        return {} if trace else None
    if not isinstance(trace, Mapping):
        raise SettingError(f'trace {trace!r} is not allowed; give True, False, or settings as {{"bins": 4}}')
    known = [name for name in inspect.signature(traced).parameters if name != "source"]
    for name in trace:
        if name not in known:
            raise SettingError(f"trace has no setting {name!r}; its settings are {', '.join(known)}")
    return dict(trace)


def _check_expected(
    model: Any, prompts: Sequence[str], settings: GenerationSettings, options: Mapping[str, Any]
) -> None:
    """Raise, before the first step, what `vxa.trace` would raise of its settings and of each prompt."""
    with traced(model, **options):
        pass
    known = {name: options[name] for name in _EXPECTED if name in options}
    for prompt in prompts:
        expected_maps(model, prompt, settings, **known)


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


def make_image(
    model: Any,
    prompt: str,
    settings: GenerationSettings = GenerationSettings(),
    on_step: Callable[[], object] = lambda: None,
) -> Image.Image:
    """Generate an image; `on_step` is called after each step.

    Raises ModelError for a model without a pipeline.
    """
    import torch

    pipeline = getattr(model, "pipeline", None)
    if pipeline is None:
        raise ModelError(f"the model {model.name} has no pipeline to generate with; load one with vxa.load")

    def after_step(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        on_step()
        return tensors

    height, width = settings.pixels() or (None, None)
    pipeline.set_progress_bar_config(disable=True)
    result = pipeline(
        **_prompts(model, prompt, settings),
        num_inference_steps=settings.steps,
        guidance_scale=settings.guidance,
        height=height,
        width=width,
        generator=torch.Generator("cpu").manual_seed(settings.seed),
        callback_on_step_end=after_step,
    )
    picture: Image.Image = result.images[0]
    return picture


def _prompts(model: Any, prompt: str, settings: GenerationSettings) -> dict[str, Any]:
    """Return the pipeline's prompt arguments: the texts, or embeddings if it would truncate one."""
    import torch

    from vxa.models.chunks import CHUNK
    from vxa.models.prompt_events import EncodedPrompts, notify

    texts = (prompt, settings.negative)
    if max(len(model.tokenize(text)) for text in texts) == CHUNK:
        return {"prompt": prompt, "negative_prompt": settings.negative}
    with torch.no_grad():
        encoded, negative = (model.encode_prompt(text, settings.pixels() or (0, 0)) for text in texts)
        empty = model.encode_prompt("", (0, 0)).context
    length = max(encoded.context.shape[1], negative.context.shape[1])
    context, negative_context = (_pad_context(one.context, empty, length) for one in (encoded, negative))
    notify(model.pipeline, EncodedPrompts((prompt,), (settings.negative,), context, negative_context))
    embeddings = {"prompt_embeds": context, "negative_prompt_embeds": negative_context}
    if "text_embeds" in encoded.extra:
        embeddings["pooled_prompt_embeds"] = encoded.extra["text_embeds"]
        embeddings["negative_pooled_prompt_embeds"] = negative.extra["text_embeds"]
    return embeddings


def _pad_context(context: Tensor, empty: Tensor, length: int) -> Tensor:
    """Pad a context [1, tokens, channels] to `length` tokens with that of the empty prompt."""
    import torch

    return torch.cat([context, *[empty] * ((length - context.shape[1]) // empty.shape[1])], 1)
