"""Image generation from a prompt, with the model's own pipeline."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from vxa.errors import ModelError, SettingError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Generation", "generate"]

_LARGEST = 4096
_MAX_STEPS = 1000


@dataclass(frozen=True)
class Generation:
    """Settings of a generation.

    Attributes:
        prompt: a text of any length; more than 75 tokens are encoded in chunks (`vxa.models.chunks`).
        negative: the negative prompt.
        seed: the seed of the initial noise, drawn on the CPU so that it is the same on every device.
        steps: the number of denoising steps.
        guidance: the classifier-free guidance scale; 1 is no guidance.
        size: "HEIGHTxWIDTH" in pixels; None is the model's default.

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
        """Return (height, width) in pixels, or None for the model's default. Raises SettingError."""
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
    model: Any,
    wanted: Generation,
    advance: Callable[[], None] = lambda: None,
) -> Image.Image:
    """Generate an image; `advance` is called after each step.

    Raises ModelError for a model without a pipeline.
    """
    import torch

    pipeline = getattr(model, "pipeline", None)
    if pipeline is None:
        raise ModelError(f"the model {model.name} has no pipeline to generate with; load one with vxa.load")

    def after_step(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        advance()
        return tensors

    height, width = wanted.pixels() or (None, None)
    pipeline.set_progress_bar_config(disable=True)
    result = pipeline(
        **_prompts(model, wanted),
        num_inference_steps=wanted.steps,
        guidance_scale=wanted.guidance,
        height=height,
        width=width,
        generator=torch.Generator("cpu").manual_seed(wanted.seed),
        callback_on_step_end=after_step,
    )
    picture: Image.Image = result.images[0]
    return picture


def _prompts(model: Any, wanted: Generation) -> dict[str, Any]:
    """Return the pipeline's prompt arguments: the texts, or embeddings if the pipeline would truncate one."""
    from vxa.models.chunks import CHUNK
    from vxa.models.prompt_events import EncodedPrompts, notify

    texts = (wanted.prompt, wanted.negative)
    if max(len(model.tokenize(text)) for text in texts) == CHUNK:
        return {"prompt": wanted.prompt, "negative_prompt": wanted.negative}
    prompt, negative = (model.encode_prompt(text, wanted.pixels() or (0, 0)) for text in texts)
    empty = model.encode_prompt("", (0, 0)).context
    length = max(prompt.context.shape[1], negative.context.shape[1])
    context, negative_context = (_pad_context(one.context, empty, length) for one in (prompt, negative))
    notify(model.pipeline, EncodedPrompts((wanted.prompt,), (wanted.negative,), context, negative_context))
    embeddings = {"prompt_embeds": context, "negative_prompt_embeds": negative_context}
    if "text_embeds" in prompt.extra:
        embeddings["pooled_prompt_embeds"] = prompt.extra["text_embeds"]
        embeddings["negative_pooled_prompt_embeds"] = negative.extra["text_embeds"]
    return embeddings


def _pad_context(context: Tensor, empty: Tensor, length: int) -> Tensor:
    """Pad a context [1, tokens, channels] to `length` tokens with that of the empty prompt."""
    import torch

    return torch.cat([context, *[empty] * ((length - context.shape[1]) // empty.shape[1])], 1)
