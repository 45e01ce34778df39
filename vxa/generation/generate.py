"""Pictures from a prompt, by the model's own pipeline, with the maps of their words where wanted.

result = generate("papercut", "a red hat", seed=3, trace=True)
result.image.save("hat.png")
result.maps[0].heat_map("hat")
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from PIL import Image

from vxa.errors import ModelError, PromptError, SettingError
from vxa.maps.attention_maps import AttentionMaps
from vxa.models import load
from vxa.tracing.pipeline import trace as traced

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["GenerationResult", "GenerationSettings", "generate"]

_LARGEST = 4096
_MAX_STEPS = 1000


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


@dataclass(frozen=True)
class GenerationSettings:
    """Settings of a generation.

    Attributes:
        prompt: any length; more than 75 tokens are encoded in chunks (`vxa.models.chunks`).
        negative: what the picture should not show.
        seed: of the starting noise, drawn on the CPU so that every device starts from the same.
        steps: denoising steps.
        guidance: classifier-free guidance scale; 1 is none.
        size: "HEIGHTxWIDTH" in pixels; None is the model's own.

    Raises SettingError for a value out of range.
    """

    prompt: str
    negative: str = ""
    seed: int = 0
    steps: int = 20
    guidance: float = 5.0
    size: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= _MAX_STEPS:
            raise SettingError(f"steps {self.steps} is out of range; give 1 to {_MAX_STEPS}")
        if not (math.isfinite(self.guidance) and 0 <= self.guidance <= 100):
            raise SettingError(f"guidance {self.guidance:g} is out of range; give 0 to 100")
        if not 0 <= self.seed < 2**63:
            raise SettingError(f"seed {self.seed} is out of range; give a whole number from 0 to 2^63 - 1")
        self.pixels()

    def pixels(self) -> tuple[int, int] | None:
        """Return the (height, width) of `size`; None for the model's own."""
        if self.size is None:
            return None
        match = re.fullmatch(r"\s*([0-9]{1,6})\s*[x×]\s*([0-9]{1,6})\s*", self.size)
        sides = (int(match[1]), int(match[2])) if match else (0, 0)
        if not all(8 <= side <= _LARGEST and side % 8 == 0 for side in sides):
            raise SettingError(
                f"size {self.size!r} cannot be made; give HEIGHTxWIDTH in multiples of 8 up to {_LARGEST}, "
                "as in 256x384"
            )
        return sides


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
    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    if not prompts or not all(isinstance(each, str) for each in prompts):
        raise PromptError(f'{prompt!r} is no prompt; give text such as "a red hat", or several in a list')
    asked = [GenerationSettings(each, negative, seed, steps, guidance, size) for each in prompts]
    model = load(source)
    if trace is False:
        return GenerationResult(tuple(make_image(model, each, on_step) for each in asked))
    with traced(model, **({} if trace is True else trace)) as found:
        images = tuple(make_image(model, each, on_step) for each in asked)
    return GenerationResult(images, tuple(seeded(maps, seed) for maps in found.maps))


def seeded(maps: AttentionMaps, seed: int) -> AttentionMaps:
    """Return the maps of a generation with the seed that it began with, which a trace does not know."""
    return replace(maps, provenance=replace(maps.provenance, seed=seed))


def make_image(
    model: Any, settings: GenerationSettings, on_step: Callable[[], object] = lambda: None
) -> Image.Image:
    """Return the picture; `on_step` is called after each step.

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
        **_prompts(model, settings),
        num_inference_steps=settings.steps,
        guidance_scale=settings.guidance,
        height=height,
        width=width,
        generator=torch.Generator("cpu").manual_seed(settings.seed),
        callback_on_step_end=after_step,
    )
    picture: Image.Image = result.images[0]
    return picture


def _prompts(model: Any, settings: GenerationSettings) -> dict[str, Any]:
    """The texts as the pipeline takes them: as they are, or, where it would cut one off, all their chunks."""
    from vxa.models.chunks import CHUNK
    from vxa.models.prompt_events import EncodedPrompts, notify

    texts = (settings.prompt, settings.negative)
    if max(len(model.tokenize(text)) for text in texts) == CHUNK:
        return {"prompt": settings.prompt, "negative_prompt": settings.negative}
    prompt, negative = (model.encode_prompt(text, settings.pixels() or (0, 0)) for text in texts)
    empty = model.encode_prompt("", (0, 0)).context
    length = max(prompt.context.shape[1], negative.context.shape[1])
    context, against = (_lengthened(one.context, empty, length) for one in (prompt, negative))
    notify(model.pipeline, EncodedPrompts((settings.prompt,), (settings.negative,), context, against))
    embeddings = {"prompt_embeds": context, "negative_prompt_embeds": against}
    if "text_embeds" in prompt.extra:
        embeddings["pooled_prompt_embeds"] = prompt.extra["text_embeds"]
        embeddings["negative_pooled_prompt_embeds"] = negative.extra["text_embeds"]
    return embeddings


def _lengthened(context: Tensor, empty: Tensor, length: int) -> Tensor:
    """The context [1, tokens, channels] with the empty prompt's after it, up to so many tokens."""
    import torch

    return torch.cat([context, *[empty] * ((length - context.shape[1]) // empty.shape[1])], 1)
