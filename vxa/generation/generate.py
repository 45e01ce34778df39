"""Image generation from prompts, by the model's own pipeline, with the maps of their words where wanted.

result = generate("papercut", "a red hat", seed=3, trace=True)
result.image.save("hat.png")
result.maps[0].heat_map("hat")
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from PIL import Image

from vxa.errors import ModelError, PromptError, SettingError
from vxa.generation.settings import GenerationSettings
from vxa.maps.attention_maps import AttentionMaps
from vxa.models import load
from vxa.tracing.pipeline import trace as traced

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["GenerationResult", "generate", "make_image", "seeded"]


@dataclass(frozen=True, eq=False)
class GenerationResult:
    """Pictures, and the maps of what each word of their prompts painted.

    Attributes:
        images: one for each prompt.
        maps: one for each image; none where nothing was traced.
    """

    images: tuple[Image.Image, ...]
    maps: tuple[AttentionMaps, ...] = ()

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
    model = load(source)
    if options is None:
        return GenerationResult(tuple(make_image(model, each, settings, on_step) for each in prompts))
    with traced(model, **options) as found:
        images = tuple(make_image(model, each, settings, on_step) for each in prompts)
    return GenerationResult(images, tuple(seeded(maps, seed) for maps in found.maps))


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


def seeded(maps: AttentionMaps, seed: int) -> AttentionMaps:
    """Return the maps of a generation with the seed that it began with, which a trace does not know."""
    return replace(maps, provenance=replace(maps.provenance, seed=seed))


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
