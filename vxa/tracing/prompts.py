"""Prompts of a traced pipeline as tokens, from the texts or the embeddings it was called with."""

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
        self._encoded: list[tuple[ref[Tensor], tuple[str | None, ...]]] = []

    def on_encode(self, encoded: EncodedPrompts) -> None:
        """Remember the texts of these embeddings for as long as the embeddings exist."""
        self._encoded = [pair for pair in self._encoded if pair[0]() is not None]
        self._encoded.append((ref(encoded.context), encoded.prompts))
        if encoded.negative_context is not None:
            self._encoded.append((ref(encoded.negative_context), encoded.negatives))

    def readings(self, encoded: EncodedPrompts) -> tuple[TracedPrompt, ...]:
        """Return the prompt of each image, then the negative prompts if they are traced.

        Raises:
            PromptError: the pipeline was called with embeddings whose text is unknown.
            WordError, TokenIndexError: none of the prompts has the words or tokens to keep.
        """
        found = self._read(encoded.context, encoded.prompts, negative=False)
        if self._negative and encoded.negative_context is not None:
            found += self._read(encoded.negative_context, encoded.negatives, negative=True)
        return tuple(self._select_kept(found))

    def notes(self, encoded: EncodedPrompts) -> tuple[str, ...]:
        """Return the notes on these prompts for the maps' provenance, such as a truncated prompt."""
        notes = []
        for text in dict.fromkeys(text for text in encoded.prompts if text is not None):
            cut = self._model.cut_words(text, encoded.context.shape[1])
            if cut:
                notes.append(f"the pipeline cut its prompt off before {cut[0]!r}")
        if encoded.second is not None:
            notes.append(f"the second text encoder read {encoded.second[:80]!r} at the same positions")
        return tuple(notes)

    def _read(self, context: Tensor, texts: tuple[str | None, ...], negative: bool) -> list[TracedPrompt]:
        found = []
        embedded = self._texts_of_embeds(len(context), negative) if None in texts else [None] * len(context)
        for image, (row, text) in enumerate(zip(context, texts, strict=True)):
            source = text if text is not None else embedded[image]
            if source is None:
                source = self._encoded_text(row, negative)
            if isinstance(source, str):
                found.append(TracedPrompt(image, source, self._model.tokens_read(source, len(row)), negative))
            else:
                tokens = tuple(source)
                _check_tokens(tokens, len(row))
                found.append(TracedPrompt(image, _text_of(tokens), tokens, negative))
        return found

    def _texts_of_embeds(self, images: int, negative: bool) -> Sequence[str | Sequence[Token] | None]:
        """Return the text of each image's embeddings, as passed to `trace`; None where it was not passed."""
        texts = self._embedded_texts[negative]
        if texts is None or isinstance(texts, str):
            return [texts] * images
        if not texts or images % len(texts):
            raise PromptError(f"{len(texts)} prompts were given to trace for embeddings of {images} images")
        return [entry for entry in texts for _ in range(images // len(texts))]

    def _encoded_text(self, row: Tensor, negative: bool) -> str:
        """Return the text that the pipeline encoded to this context. Raises PromptError if there is none."""
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
        return [
            TracedPrompt(each.image, each.prompt, each.tokens, each.negative, tuple(sorted(chosen)))
            for each, chosen in zip(prompts, kept, strict=True)
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
