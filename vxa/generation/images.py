"""Images of prompts, made by the model's own pipeline.

make_image(model, "a red hat", GenerationSettings(seed=3))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from vxa.errors import ModelError
from vxa.generation.settings import GenerationSettings

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["make_image", "make_images"]


def make_image(
    model: Any,
    prompt: str,
    settings: GenerationSettings = GenerationSettings(),
    on_step: Callable[[], object] = lambda: None,
) -> Image.Image:
    """Generate an image; `on_step` is called after each step.

    Raises ModelError for a model without a pipeline.
    """
    return make_images(model, [prompt], settings, on_step)[0]


def make_images(
    model: Any,
    prompts: Sequence[str],
    settings: GenerationSettings = GenerationSettings(),
    on_step: Callable[[], object] = lambda: None,
    own_noise: bool = False,
    start: Tensor | None = None,
) -> list[Image.Image]:
    """Generate an image of each prompt in one call of the pipeline.

    Each begins from the noise of the seed, or, with `own_noise`, from that of a seed of its own: seed,
    seed + 1 …; `start` has the latents [1, channels, h, w] from which all begin instead, or, with
    `own_noise`, the first.

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
    seeds = [settings.seed + number * own_noise for number in range(len(prompts))]
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    given = {} if start is None else {"latents": _starts(model, start, generators, own_noise)}
    result = pipeline(
        **_prompts(model, prompts, settings),
        num_inference_steps=settings.steps,
        guidance_scale=settings.guidance,
        height=height,
        width=width,
        generator=generators if len(prompts) > 1 else generators[0],
        callback_on_step_end=after_step,
        **given,
    )
    return list(result.images)


def _starts(model: Any, start: Tensor, generators: Sequence[Any], own_noise: bool) -> Tensor:
    """Return the latents from which each picture begins."""
    import torch

    dtype = model.network.dtype
    drawn = [torch.randn(start.shape, generator=each, dtype=dtype) for each in generators[1:]]
    first = start.to("cpu", dtype)
    return torch.cat([first, *(drawn if own_noise else [first] * len(drawn))])


def _prompts(model: Any, prompts: Sequence[str], settings: GenerationSettings) -> dict[str, Any]:
    """Return the pipeline's prompt arguments: the texts, or embeddings if it would truncate one."""
    import torch

    from vxa.models.chunks import CHUNK, pad_context
    from vxa.models.prompt_events import EncodedPrompts, notify

    negatives = [settings.negative] * len(prompts)
    if max(len(model.tokenize(text)) for text in (*prompts, settings.negative)) == CHUNK:
        return {"prompt": list(prompts), "negative_prompt": negatives}
    size = settings.pixels() or (0, 0)
    with torch.no_grad():
        encoded = [model.encode_prompt(text, size) for text in (*prompts, settings.negative)]
        empty = model.encode_prompt("", (0, 0)).context
    length = max(each.context.shape[1] for each in encoded)
    *own, negative = (pad_context(each.context, empty, length) for each in encoded)
    count = len(prompts)
    context, negative_context = torch.cat(own), negative.repeat(count, 1, 1)
    notify(model.pipeline, EncodedPrompts(tuple(prompts), tuple(negatives), context, negative_context))
    embeddings = {"prompt_embeds": context, "negative_prompt_embeds": negative_context}
    if "text_embeds" in encoded[0].extra:
        pooled = [each.extra["text_embeds"] for each in encoded]
        embeddings["pooled_prompt_embeds"] = torch.cat(pooled[:count])
        embeddings["negative_pooled_prompt_embeds"] = pooled[count].repeat(count, 1)
    return embeddings
