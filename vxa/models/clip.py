"""Prompts encoded by a pipeline's CLIP tokenizers and text encoders, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vxa.models.chunks import ROOM, name_tokens, padded_ids, split_chunks
from vxa.tokens import Token

_CHUNKS_AT_ONCE = 8  # a prompt of 10,000 words has hundreds


@dataclass(frozen=True)
class TextEncoder:
    """A tokenizer and its text encoder.

    Attributes:
        tokenizer: a CLIPTokenizer of transformers.
        encoder: a CLIPTextModel, with or without projection.
        penultimate: use the output of the layer before the last, not normalised, as SDXL does.
        expand: the pipeline's rewriting of a prompt before tokenizing (textual inversion: a concept of
            several vectors becomes several tokens).
    """

    tokenizer: Any
    encoder: Any
    penultimate: bool
    expand: Callable[[str, Any], str]

    def chunks(self, prompt: str) -> list[list[int]]:
        """Return the prompt's own token ids in chunks of at most 75."""
        return split_chunks(self._ids(prompt), self.tokenizer.get_vocab().get(",</w>"))

    def tokens(self, prompt: str, at_least: int = 1) -> tuple[Token, ...]:
        """Return one Token for each position of the prompt's context, padded to `at_least` chunks."""
        chunks = self.chunks(prompt)
        return self._tokens_of(chunks + [[]] * (at_least - len(chunks)))

    def first_tokens(self, prompt: str) -> tuple[Token, ...]:
        """Return one Token for each of 77 positions, the prompt cut off after 75 tokens, as pipelines do."""
        return self._tokens_of([self._ids(prompt)[:ROOM]])

    def _ids(self, prompt: str) -> list[int]:
        text = self.expand(prompt, self.tokenizer)
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)[
            "input_ids"
        ]
        return ids

    def _tokens_of(self, chunks: list[list[int]]) -> tuple[Token, ...]:
        whole = {*self.tokenizer.get_added_vocab().values(), *self.tokenizer.all_special_ids}
        return name_tokens(chunks, self._specials(), self.tokenizer.convert_ids_to_tokens, whole)

    def encode(self, prompt: str, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the context [1, 77·chunks, channels] and the encoder's first output for the first chunk.

        The latter is the pooled text where the encoder has a projection.
        """
        rows = [padded_ids(chunk, *self._specials()) for chunk in self.chunks(prompt)]
        contexts, firsts = [], []
        for start in range(0, len(rows), _CHUNKS_AT_ONCE):
            batch = torch.tensor(rows[start : start + _CHUNKS_AT_ONCE], device=device)
            output = self.encoder(batch, output_hidden_states=self.penultimate)
            contexts.append(output.hidden_states[-2] if self.penultimate else output[0])
            firsts.append(output[0][:1])
        context = torch.cat(contexts)
        return context.reshape(1, -1, context.shape[-1]), firsts[0]

    def _specials(self) -> tuple[int, int, int]:
        begin, end, pad = (getattr(self.tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad"))
        return begin, end, end if pad is None else pad


def text_encoders(pipeline: Any, penultimate: bool) -> list[TextEncoder]:
    """Return the pipeline's text encoders in the order of their contexts; SDXL's refiner lacks the first."""
    found = []
    for suffix in ("", "_2"):
        tokenizer = getattr(pipeline, f"tokenizer{suffix}", None)
        encoder = getattr(pipeline, f"text_encoder{suffix}", None)
        if tokenizer is not None and encoder is not None:
            expand = getattr(pipeline, "maybe_convert_prompt", lambda prompt, _: prompt)
            found.append(TextEncoder(tokenizer, encoder, penultimate, expand))
    return found
