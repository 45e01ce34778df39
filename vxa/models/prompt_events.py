"""What a diffusers pipeline was asked: the prompts of each call, heard where the pipeline encodes them.

    with listen_to_prompts(pipeline, on_encode):
        pipeline(["a hat", "a cat"], num_images_per_prompt=2)    # on_encode(EncodedPrompts), once a call

Every pipeline of the family calls its own `encode_prompt` once, before its first step. It is wrapped on the
object while somebody listens, and calls the original with what it was given: the images stay the same.
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
    """What one call of `encode_prompt` was given and gave, for each image in the pipeline's order.

    Attributes:
        prompts: each image's text; None where `prompt_embeds` were given.
        negatives: each image's negative text; None where `negative_prompt_embeds` were given.
        context: [images, tokens, channels].
        negative_context: likewise; None without guidance.
        second: the text that a second encoder was given instead, where it was another.
    """

    prompts: tuple[str | None, ...]
    negatives: tuple[str | None, ...]
    context: Tensor
    negative_context: Tensor | None
    second: str | None = None


@contextmanager
def listen_to_prompts(pipeline: Any, on_encode: Callable[[EncodedPrompts], None]) -> Iterator[None]:
    """Call `on_encode` after each `encode_prompt` that this thread makes of the pipeline in this block.

    Several may listen to one pipeline, in any order of coming and going.

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
    """Let those who listen to the pipeline know what embeddings are of that it did not make itself."""
    for listener in tuple(getattr(pipeline.encode_prompt, "vxa_listeners", ())):
        listener(encoded)


def _listeners(pipeline: Any) -> list[Callable[[EncodedPrompts], None]]:
    """Those who listen to the pipeline now; the first one's coming wraps its `encode_prompt`."""
    original = getattr(pipeline, "encode_prompt", None)
    if original is None:
        kind = type(pipeline).__name__
        raise RecordingError(
            f"{kind} has no encode_prompt, so its prompts are not known; use a pipeline of SD"
        )
    found: list[Callable[[EncodedPrompts], None]] | None = getattr(original, "vxa_listeners", None)
    if found is not None:
        return found
    listeners: list[Callable[[EncodedPrompts], None]] = []
    signature = inspect.signature(original)

    @functools.wraps(original)
    def encode_prompt(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        encoded = _encoded(given.arguments, result)
        for listener in tuple(listeners):
            listener(encoded)
        return result

    own = vars(pipeline).get("encode_prompt")

    def restore() -> None:
        if own is None:
            del pipeline.encode_prompt
        else:
            pipeline.encode_prompt = own

    encode_prompt.vxa_listeners = listeners  # type: ignore[attr-defined]
    encode_prompt.vxa_restore = restore  # type: ignore[attr-defined]
    pipeline.encode_prompt = encode_prompt
    return listeners


def _encoded(given: Mapping[str, Any], result: Any) -> EncodedPrompts:
    context, negative_context = result[0], result[1]
    images = len(context)
    embeds = given.get("prompt_embeds") is not None
    negative_embeds = given.get("negative_prompt_embeds") is not None
    negative = given.get("negative_prompt")
    second = given.get("prompt_2")
    return EncodedPrompts(
        prompts=_texts(None if embeds else given.get("prompt"), images),
        negatives=_texts(None if negative_embeds else "" if negative is None else negative, images),
        context=context,
        negative_context=negative_context if given.get("do_classifier_free_guidance", True) else None,
        second=None if second is None or second == given.get("prompt") else str(second),
    )


def _texts(given: str | Sequence[str] | None, images: int) -> tuple[str | None, ...]:
    """One text for each image: each prompt's images stand together, in the prompts' order."""
    texts = [given] if given is None or isinstance(given, str) else list(given)
    if not texts or images % len(texts):
        raise RecordingError(f"{len(texts)} prompts were encoded for {images} images, which do not pair")
    return tuple(text for text in texts for _ in range(images // len(texts)))
