"""The prompts of each call of a diffusers pipeline, observed where the pipeline encodes them.

    with listen_to_prompts(pipeline, on_encode):
        pipeline(["a hat", "a cat"], num_images_per_prompt=2)    # calls on_encode(EncodedPrompts) once

Every pipeline of the family calls its own `encode_prompt` once, before its first step. While there are
listeners, a wrapper on the object calls the original with the same arguments, so the images stay the same.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from vxa.errors import RecordingError

__all__ = ["EncodedPrompts", "listen_to_prompts", "notify"]

_LOCK = threading.Lock()


@dataclass(frozen=True, eq=False)
class EncodedPrompts:
    """Inputs and results of one call of `encode_prompt`, for each image in the pipeline's order.

    Attributes:
        prompts: each image's text; None where `prompt_embeds` were given.
        negatives: each image's negative text; None where `negative_prompt_embeds` were given.
        context: [images, tokens, channels].
        negative_context: likewise; None without guidance.
        second: the second encoder's own text (`prompt_2`), where it differs; else None.
    """

    prompts: tuple[str | None, ...]
    negatives: tuple[str | None, ...]
    context: Tensor
    negative_context: Tensor | None
    second: str | None = None


@contextmanager
def listen_to_prompts(pipeline: Any, on_encode: Callable[[EncodedPrompts], None]) -> Iterator[None]:
    """Call `on_encode` after each `encode_prompt` of the pipeline that this thread runs in this block.

    A pipeline may have several listeners, added and removed in any order.

    Raises:
        RecordingError: the pipeline has no `encode_prompt`.
    """
    thread = threading.get_ident()

    def listener(encoded: EncodedPrompts) -> None:
        if threading.get_ident() == thread:
            on_encode(encoded)

    with _LOCK:
        listeners = _listeners(pipeline)
        listeners.append(listener)
    try:
        yield
    finally:
        with _LOCK:
            listeners.remove(listener)
            if not listeners:
                pipeline.encode_prompt.vxa_restore()


def notify(pipeline: Any, encoded: EncodedPrompts) -> None:
    """Notify the pipeline's listeners of the prompts behind embeddings that it did not encode itself."""
    for listener in tuple(getattr(pipeline.encode_prompt, "vxa_listeners", ())):
        listener(encoded)


def _listeners(pipeline: Any) -> list[Callable[[EncodedPrompts], None]]:
    """Return the pipeline's list of listeners; wrap its `encode_prompt` if it has none yet."""
    original = getattr(pipeline, "encode_prompt", None)
    if original is None:
        kind = type(pipeline).__name__
        raise RecordingError(
            f"{kind} has no encode_prompt, so its prompts are not known; use a pipeline of SD"
        )
    existing: list[Callable[[EncodedPrompts], None]] | None = getattr(original, "vxa_listeners", None)
    if existing is not None:
        return existing
    listeners: list[Callable[[EncodedPrompts], None]] = []
    signature = inspect.signature(original)

    @functools.wraps(original)
    def encode_prompt(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        encoded = _encoded_prompts(bound.arguments, result)
        for listener in tuple(listeners):
            listener(encoded)
        return result

    previous = vars(pipeline).get("encode_prompt")

    def restore() -> None:
        if previous is None:
            del pipeline.encode_prompt
        else:
            pipeline.encode_prompt = previous

    encode_prompt.vxa_listeners = listeners  # type: ignore[attr-defined]
    encode_prompt.vxa_restore = restore  # type: ignore[attr-defined]
    pipeline.encode_prompt = encode_prompt
    return listeners


def _encoded_prompts(arguments: Mapping[str, Any], result: Any) -> EncodedPrompts:
    context, negative_context = result[0], result[1]
    images = len(context)
    embeds = arguments.get("prompt_embeds") is not None
    negative_embeds = arguments.get("negative_prompt_embeds") is not None
    negative = arguments.get("negative_prompt")
    second = arguments.get("prompt_2")
    return EncodedPrompts(
        prompts=_texts(None if embeds else arguments.get("prompt"), images),
        negatives=_texts(None if negative_embeds else "" if negative is None else negative, images),
        context=context,
        negative_context=negative_context if arguments.get("do_classifier_free_guidance", True) else None,
        second=None if second is None or second == arguments.get("prompt") else str(second),
    )


def _texts(prompt: str | Sequence[str] | None, images: int) -> tuple[str | None, ...]:
    """Return one text for each image: a prompt's images are adjacent, in the prompts' order."""
    texts = [prompt] if prompt is None or isinstance(prompt, str) else list(prompt)
    if not texts or images % len(texts):
        raise RecordingError(f"{len(texts)} prompts were encoded for {images} images, which do not pair")
    return tuple(text for text in texts for _ in range(images // len(texts)))
