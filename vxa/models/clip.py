"""Prompts through the CLIP tokenizer and text encoder that a pipeline holds, chunk by chunk."""

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
    """One tokenizer and its text encoder.

    Attributes:
        tokenizer: a CLIPTokenizer of transformers.
        encoder: a CLIPTextModel, with or without projection.
        penultimate: take the layer before the last, not normalised, as SDXL does.
        expand: what a pipeline does to a prompt first (textual inversion: a concept of several vectors
            becomes several tokens).
    """

    tokenizer: Any
    encoder: Any
    penultimate: bool
    expand: Callable[[str, Any], str]

    def chunks(self, prompt: str) -> list[list[int]]:
        """The prompt's own token ids in chunks of at most 75."""
        return split_chunks(self._ids(prompt), self.tokenizer.get_vocab().get(",</w>"))

    def tokens(self, prompt: str, at_least: int = 1) -> tuple[Token, ...]:
        """One Token for each position of the prompt's context, of so many chunks `at_least`."""
        chunks = self.chunks(prompt)
        return self._named(chunks + [[]] * (at_least - len(chunks)))

    def first_tokens(self, prompt: str) -> tuple[Token, ...]:
        """One Token for each of the 77 positions of a prompt cut off after 75, as pipelines do."""
        return self._named([self._ids(prompt)[:ROOM]])

    def _ids(self, prompt: str) -> list[int]:
        text = self.expand(prompt, self.tokenizer)
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)[
            "input_ids"
        ]
        return ids

    def _named(self, chunks: list[list[int]]) -> tuple[Token, ...]:
        whole = {*self.tokenizer.get_added_vocab().values(), *self.tokenizer.all_special_ids}
        return name_tokens(chunks, self._specials(), self.tokenizer.convert_ids_to_tokens, whole)

    def encode(self, prompt: str, device: torch.device) -> tuple[Tensor, Tensor]:
        """The context [1, 77·chunks, channels] and the first chunk's first output (pooled, if projected)."""
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
    """The pipeline's text encoders in the order their contexts are joined; SDXL's refiner lacks the first."""
    found = []
    for suffix in ("", "_2"):
        tokenizer = getattr(pipeline, f"tokenizer{suffix}", None)
        encoder = getattr(pipeline, f"text_encoder{suffix}", None)
        if tokenizer is not None and encoder is not None:
            expand = getattr(pipeline, "maybe_convert_prompt", lambda prompt, _: prompt)
            found.append(TextEncoder(tokenizer, encoder, penultimate, expand))
    return found
