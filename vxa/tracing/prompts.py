"""Which words a traced pipeline reads: the texts or embeddings that it was given, as tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import ref

import torch
from torch import Tensor

from vxa.errors import PromptError, WordError
from vxa.maps.selection import TokenSpec, WordSpec, token_groups, union
from vxa.models.prompt_events import EncodedPrompts
from vxa.tokens import Token, words
from vxa.tracing.generation import TracedPrompt

__all__ = ["PromptSpec", "Reader"]

PromptSpec = str | Sequence[str | Sequence[Token]] | None


class Reader:
    """Finds the tokens of every image's prompts.

    A text is read as the pipeline's tokenizer cuts it. For `prompt_embeds` the text is what was said to
    `trace`, or what the same pipeline encoded to them within the block.
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
        self._given = {False: prompt, True: negative_prompt}
        self._encoded: list[tuple[ref[Tensor], tuple[str | None, ...]]] = []

    def on_encode(self, encoded: EncodedPrompts) -> None:
        """Remember what texts were encoded to, for as long as somebody holds it."""
        self._encoded = [pair for pair in self._encoded if pair[0]() is not None]
        self._encoded.append((ref(encoded.context), encoded.prompts))
        if encoded.negative_context is not None:
            self._encoded.append((ref(encoded.negative_context), encoded.negatives))

    def readings(self, encoded: EncodedPrompts) -> tuple[TracedPrompt, ...]:
        """The readings of each image, then of each negative prompt where they are wanted.

        Raises:
            PromptError: embeddings were given, and not what they are of.
            WordError, TokenIndexError: what is to be kept is in none of the prompts.
        """
        found = self._read(encoded.context, encoded.prompts, negative=False)
        if self._negative and encoded.negative_context is not None:
            found += self._read(encoded.negative_context, encoded.negatives, negative=True)
        return tuple(self._keeping(found))

    def notes(self, encoded: EncodedPrompts) -> tuple[str, ...]:
        """What a reader of the maps must know of their prompts."""
        notes = []
        for text in dict.fromkeys(text for text in encoded.prompts if text is not None):
            left = self._model.cut_words(text, encoded.context.shape[1])
            if left:
                notes.append(f"the pipeline cut its prompt off before {left[0]!r}")
        if encoded.second is not None:
            notes.append(f"the second text encoder read {encoded.second[:80]!r} at the same positions")
        return tuple(notes)

    def _read(self, context: Tensor, texts: tuple[str | None, ...], negative: bool) -> list[TracedPrompt]:
        found = []
        given = self._given_for(len(context), negative) if None in texts else [None] * len(context)
        for image, (row, text) in enumerate(zip(context, texts, strict=True)):
            source = text if text is not None else given[image]
            if source is None:
                source = self._remembered(row, negative)
            if isinstance(source, str):
                found.append(TracedPrompt(image, source, self._model.tokens_read(source, len(row)), negative))
            else:
                tokens = tuple(source)
                _check_tokens(tokens, len(row))
                found.append(TracedPrompt(image, _text_of(tokens), tokens, negative))
        return found

    def _given_for(self, images: int, negative: bool) -> Sequence[str | Sequence[Token] | None]:
        """What was said to be the text of each image's embeddings."""
        given = self._given[negative]
        if given is None or isinstance(given, str):
            return [given] * images
        if not given or images % len(given):
            raise PromptError(f"{len(given)} prompts were given to trace for embeddings of {images} images")
        return [entry for entry in given for _ in range(images // len(given))]

    def _remembered(self, row: Tensor, negative: bool) -> str:
        for held, texts in reversed(self._encoded):
            context = held()
            for other, text in zip(() if context is None else context, texts, strict=False):
                if text is not None and other.shape == row.shape and torch.equal(other.to(row), row):
                    return text
        name = "negative_prompt" if negative else "prompt"
        raise PromptError(
            f"the pipeline was given {name}_embeds, and their words are not known; say what they are of, as "
            f'in trace(pipeline, {name}="a red hat")'
        )

    def _keeping(self, readings: list[TracedPrompt]) -> list[TracedPrompt]:
        """The readings with the tokens that are to be kept; a word must be in one of them."""
        if self._words is None and self._tokens is None:
            return readings
        kept: list[set[int]] = [set() for _ in readings]
        for phrase in _phrases(self._words):
            problem: Exception | None = None
            hits = 0
            for number, reading in enumerate(readings):
                try:
                    groups = token_groups(reading.tokens, phrase, self._tokens)[1]
                except WordError as error:
                    problem = problem or error
                    continue
                kept[number].update(union(groups))
                hits += 1
            if not hits and problem is not None:
                raise problem
        return [
            TracedPrompt(each.image, each.prompt, each.tokens, each.negative, tuple(sorted(chosen)))
            for each, chosen in zip(readings, kept, strict=True)
        ]


def _phrases(words: WordSpec) -> list[WordSpec]:
    if words is None:
        return [None]
    return [[part] for part in (words.split(",") if isinstance(words, str) else words)]


def _check_tokens(tokens: tuple[Token, ...], positions: int) -> None:
    if [token.index for token in tokens] != list(range(positions)):
        raise PromptError(
            f"{len(tokens)} tokens were given for embeddings of {positions} positions; give one for each, "
            "in order"
        )


def _text_of(tokens: Sequence[Token]) -> str:
    return " ".join(word.text for word in words(tokens))
