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

import torch
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
        seconds: each image's text of the second encoder (`prompt_2`), where one was given; else empty.
        negative_seconds: likewise, of `negative_prompt_2`.
        is_standard: whether the texts were cut as diffusers or VXA cut them. A pipeline with its own
            `encode_prompt` may cut them anywhere, or parse weights off them.
    """

    prompts: tuple[str | None, ...]
    negatives: tuple[str | None, ...]
    context: Tensor
    negative_context: Tensor | None
    seconds: tuple[str | None, ...] = ()
    negative_seconds: tuple[str | None, ...] = ()
    is_standard: bool = True


@contextmanager
def listen_to_prompts(pipeline: Any, on_encode: Callable[[EncodedPrompts], None]) -> Iterator[None]:
    """Call `on_encode` after each `encode_prompt` of the pipeline that this thread runs in this block.

    A pipeline may have several listeners, added and removed in any order. An `encode_prompt` that somebody
    else puts there within the block stays.

    Raises:
        RecordingError: the pipeline has no `encode_prompt`.
    """
    thread = threading.get_ident()

    def listener(encoded: EncodedPrompts) -> None:
        if threading.get_ident() == thread:
            on_encode(encoded)

    with _LOCK:
        wrapper = _wrapper(pipeline) or _Wrapper(pipeline)
        wrapper.listeners.append(listener)
    try:
        yield
    finally:
        with _LOCK:
            wrapper.listeners.remove(listener)
            if not wrapper.listeners and _wrapper(pipeline) is wrapper:
                wrapper.restore(pipeline)


def notify(pipeline: Any, encoded: EncodedPrompts) -> None:
    """Notify the pipeline's listeners of the prompts behind embeddings that it did not encode itself."""
    wrapper = _wrapper(pipeline)
    if wrapper is not None:
        wrapper.notify(encoded)


class _Wrapper:
    """The pipeline's `encode_prompt` while there are listeners: the original, whose calls they hear of."""

    def __init__(self, pipeline: Any) -> None:
        self._name = _method(pipeline)
        original = getattr(pipeline, self._name, None)
        if original is None:
            kind = type(pipeline).__name__
            raise RecordingError(
                f"{kind} has no encode_prompt, so its prompts are not known; use a pipeline of SD"
            )
        functools.update_wrapper(self, original)
        self.listeners: list[Callable[[EncodedPrompts], None]] = []
        self._original = original
        self._previous = vars(pipeline).get(self._name)
        module = getattr(type(pipeline), self._name).__module__
        self._is_standard = self._previous is None and module.startswith("diffusers.")
        setattr(pipeline, self._name, self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the original's result, and notify the listeners of it."""
        result = self._original(*args, **kwargs)
        bound = inspect.signature(self._original).bind(*args, **kwargs)
        bound.apply_defaults()
        parts = _split_branches(result, bound.arguments) if torch.is_tensor(result) else result
        self.notify(_encoded_prompts(bound.arguments, parts, self._is_standard))
        return result

    def notify(self, encoded: EncodedPrompts) -> None:
        """Notify every listener."""
        for listener in tuple(self.listeners):
            listener(encoded)

    def restore(self, pipeline: Any) -> None:
        """Put back what was there before."""
        if self._previous is None:
            delattr(pipeline, self._name)
        else:
            setattr(pipeline, self._name, self._previous)


def _wrapper(pipeline: Any) -> _Wrapper | None:
    """Return the wrapper in place of the pipeline's `encode_prompt`; None if it has none, or another's."""
    found = getattr(pipeline, _method(pipeline), None)
    return found if isinstance(found, _Wrapper) else None


def _method(pipeline: Any) -> str:
    """Return the name of the method that encodes prompts; InstructPix2Pix still has diffusers' older one."""
    return "encode_prompt" if hasattr(pipeline, "encode_prompt") else "_encode_prompt"


def _split_branches(result: Tensor, arguments: Mapping[str, Any]) -> tuple[Tensor, Tensor | None]:
    """Return the context and the negative one of an older method's single result.

    InstructPix2Pix stacks prompts, negative prompts, and these once more; others put the negative ones first.
    """
    if not arguments.get("do_classifier_free_guidance", True):
        return result, None
    images = len(result) // 3
    if len(result) == 3 * images and torch.equal(result[images : 2 * images], result[2 * images :]):
        return result[:images], result[images : 2 * images]
    negative, context = result.chunk(2)
    return context, negative


def _encoded_prompts(arguments: Mapping[str, Any], result: Any, is_standard: bool) -> EncodedPrompts:
    context, negative_context = result[0], result[1]
    images = len(context)
    embeds = arguments.get("prompt_embeds") is not None
    negative_embeds = arguments.get("negative_prompt_embeds") is not None
    negative = arguments.get("negative_prompt")
    return EncodedPrompts(
        prompts=_texts(None if embeds else arguments.get("prompt"), images),
        negatives=_texts(None if negative_embeds else "" if negative is None else negative, images),
        context=context,
        negative_context=negative_context if arguments.get("do_classifier_free_guidance", True) else None,
        seconds=_texts(arguments.get("prompt_2"), images),
        # Without a negative prompt, SDXL's pipelines give zeros, whatever the second one is.
        negative_seconds=() if negative is None else _texts(arguments.get("negative_prompt_2"), images),
        is_standard=is_standard,
    )


def _texts(prompt: str | Sequence[str] | None, images: int) -> tuple[str | None, ...]:
    """Return one text for each image: a prompt's images are adjacent, in the prompts' order."""
    texts = [prompt] if prompt is None or isinstance(prompt, str) else list(prompt)
    if not texts or images % len(texts):
        raise RecordingError(f"{len(texts)} prompts were encoded for {images} images, which do not pair")
    return tuple(text for text in texts for _ in range(images // len(texts)))
