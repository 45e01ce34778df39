"""Prompts of a traced pipeline as tokens, from the texts or the embeddings it was called with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import ref

import torch
from torch import Tensor

from vxa.errors import PromptError, WordError
from vxa.maps.selection import TokenSpec, WordSpec, token_groups, union
from vxa.models.prompt_events import EncodedPrompts
from vxa.tokens import Token, words
from vxa.tracing.call_info import TracedPrompt

__all__ = ["PromptSpec", "Reader"]

PromptSpec = str | Sequence[str | Sequence[Token]] | None


@dataclass(frozen=True)
class _Branch:
    """The texts of every image's prompt or negative prompt; None where only embeddings are known.

    Attributes:
        texts: each image's text, or its Tokens.
        seconds: the texts of the second encoder, empty if none were given.
        is_standard: as in EncodedPrompts.
    """

    texts: Sequence[str | Sequence[Token] | None]
    seconds: Sequence[str | None]
    is_standard: bool


class Reader:
    """Source of the tokens of every image's prompts.

    Texts are tokenized as by the pipeline. The text of `prompt_embeds` is the one passed to `trace`, or the
    one that the same pipeline encoded to these embeddings within the block.
    """

    def __init__(
        self,
        model: Any,
        negative: bool,
        words: WordSpec,
        tokens: TokenSpec,
        prompt: PromptSpec,
        negative_prompt: PromptSpec,
    ) -> None:
        self._model, self._negative = model, negative
        self._words, self._tokens = words, tokens
        self._embedded_texts = {False: prompt, True: negative_prompt}
        self._encoded: list[tuple[ref[Tensor], _Branch]] = []

    def on_encode(self, encoded: EncodedPrompts) -> None:
        """Remember the texts of these embeddings for as long as the embeddings exist."""
        self._encoded = [pair for pair in self._encoded if pair[0]() is not None]
        self._encoded.append((ref(encoded.context), _branch(encoded, negative=False)))
        if encoded.negative_context is not None:
            self._encoded.append((ref(encoded.negative_context), _branch(encoded, negative=True)))

    def readings(self, encoded: EncodedPrompts) -> tuple[TracedPrompt, ...]:
        """Return the prompt of each image, then the negative prompts if they are traced.

        Raises:
            PromptError: the pipeline was called with embeddings whose text is unknown, or not theirs.
            WordError, TokenIndexError: none of the prompts has the words or tokens to keep.
        """
        found = self._read(encoded.context, _branch(encoded, negative=False), negative=False)
        if self._negative and encoded.negative_context is not None:
            found += self._read(encoded.negative_context, _branch(encoded, negative=True), negative=True)
        return tuple(self._select_kept(found))

    def texts(self, encoded: EncodedPrompts, negative: bool = False) -> tuple[str | None, ...]:
        """Return the text of each image's prompt or negative prompt; None where only embeddings are known."""
        context = encoded.negative_context if negative else encoded.context
        known = _branch(encoded, negative).texts
        return tuple(
            self._text_heard(row, negative) if text is None else str(text)
            for text, row in zip(known, () if context is None else context, strict=False)
        )

    def _text_heard(self, row: Tensor, negative: bool) -> str | None:
        try:
            (text,) = self._heard(row, negative).texts
        except PromptError:
            return None
        return text if isinstance(text, str) else None

    def _read(self, context: Tensor, branch: _Branch, negative: bool) -> list[TracedPrompt]:
        found: list[TracedPrompt] = []
        apart = _image_positions(self._model.network)
        has_embeds = None in branch.texts
        embedded = self._texts_of_embeds(len(context), negative) if has_embeds else branch.texts
        for image, row in enumerate(context):
            known = _of_image(branch, image)
            if known.texts[0] is None:
                given = embedded[image]
                known = self._heard(row, negative) if given is None else _Branch([given], [], False)
            found.append(self._prompt(image, row, known, negative, apart))
        return found

    def _prompt(self, image: int, row: Tensor, known: _Branch, negative: bool, apart: int) -> TracedPrompt:
        """Return the prompt of one image; the last `apart` positions of its row are no text."""
        (source,) = known.texts
        text_row = row[: len(row) - apart]
        if not isinstance(source, str):
            tokens = _check_tokens(tuple(source or ()), len(row))[: len(text_row)]
            return TracedPrompt(image, _text_of(tokens), tokens, negative)
        tokens, notes = self._model.tokens_read(source, text_row, known.is_standard)
        notes += tuple(
            f"the second text encoder read {second[:80]!r} at the same positions"
            for second in known.seconds
            if second and second != source
        )
        return TracedPrompt(image, source, tokens, negative, notes=notes)

    def _texts_of_embeds(self, images: int, negative: bool) -> Sequence[str | Sequence[Token] | None]:
        """Return the text of each image's embeddings, as passed to `trace`; None where it was not passed."""
        given = self._embedded_texts[negative]
        if given is None or isinstance(given, str):
            return [given] * images
        texts: list[Any] = list(given)
        if texts and all(isinstance(each, Token) for each in texts):
            texts = [texts]
        if not texts or images % len(texts):
            raise PromptError(f"{len(texts)} prompts were given to trace for embeddings of {images} images")
        return [entry for entry in texts for _ in range(images // len(texts))]

    def _heard(self, row: Tensor, negative: bool) -> _Branch:
        """Return the text that the pipeline encoded to this context. Raises PromptError if there is none."""
        for held, branch in reversed(self._encoded):
            context = held()
            for image, other in enumerate(() if context is None else context):
                known = _of_image(branch, image)
                if (
                    known.texts[0] is not None
                    and other.shape == row.shape
                    and torch.equal(other.to(row), row)
                ):
                    return known
        name = "negative_prompt" if negative else "prompt"
        raise PromptError(
            f"the pipeline was given {name}_embeds, and their words are not known; say what they are of, as "
            f'in trace(pipeline, {name}="a red hat")'
        )

    def _select_kept(self, prompts: list[TracedPrompt]) -> list[TracedPrompt]:
        """Return the prompts with the tokens to keep. Raises WordError for a word that none of them has."""
        if self._words is None and self._tokens is None:
            return prompts
        kept: list[set[int]] = [set() for _ in prompts]
        for phrase in _phrases(self._words):
            problem: Exception | None = None
            hits = 0
            for number, prompt in enumerate(prompts):
                try:
                    groups = token_groups(prompt.tokens, phrase, self._tokens)[1]
                except WordError as error:
                    problem = problem or error
                    continue
                kept[number].update(union(groups))
                hits += 1
            if not hits and problem is not None:
                raise problem
        return [replace(each, kept=tuple(sorted(chosen))) for each, chosen in zip(prompts, kept, strict=True)]


def _branch(encoded: EncodedPrompts, negative: bool) -> _Branch:
    if negative:
        return _Branch(encoded.negatives, encoded.negative_seconds, encoded.is_standard)
    return _Branch(encoded.prompts, encoded.seconds, encoded.is_standard)


def _of_image(branch: _Branch, image: int) -> _Branch:
    """Return the branch of one image alone."""
    return replace(branch, texts=branch.texts[image : image + 1], seconds=branch.seconds[image : image + 1])


def _phrases(words: WordSpec) -> list[WordSpec]:
    if words is None:
        return [None]
    return [[part] for part in (words.split(",") if isinstance(words, str) else words)]


def _image_positions(network: Any) -> int:
    """Return how many of a context's last positions are an image's, which the layers keep apart.

    The processors of an IP-Adapter's own package say so. diffusers hands its image prompts over by another
    way, and its context holds text alone.
    """
    if getattr(getattr(network, "config", None), "encoder_hid_dim_type", None) == "ip_image_proj":
        return 0
    counts = (getattr(each, "num_tokens", 0) for each in getattr(network, "attn_processors", {}).values())
    return max((count for count in counts if isinstance(count, int)), default=0)


def _check_tokens(tokens: tuple[Token, ...], positions: int) -> tuple[Token, ...]:
    """Return the tokens. Raises PromptError unless there is one for each position."""
    if [token.index for token in tokens] != list(range(positions)):
        raise PromptError(
            f"{len(tokens)} tokens were given for embeddings of {positions} positions; give one for each, "
            'with the indices 0, 1, 2 …, and special="image" for those of an image'
        )
    return tokens


def _text_of(tokens: Sequence[Token]) -> str:
    return " ".join(word.text for word in words(tokens))
