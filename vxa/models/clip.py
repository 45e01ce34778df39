"""Prompts encoded by a pipeline's CLIP tokenizers and text encoders, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vxa.models.chunks import padded_ids
from vxa.models.tokenizer import PromptTokens

_CHUNKS_AT_ONCE = 8  # a prompt of 10,000 words has hundreds


@dataclass(frozen=True)
class TextEncoder(PromptTokens):
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

    def encode(self, prompt: str, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the context [1, 77·chunks, channels] and the encoder's first output for the first chunk.

        The latter is the pooled text where the encoder has a projection.
        """
        rows = [padded_ids(chunk, *self.specials()) for chunk in self.chunks(prompt)]
        contexts, firsts = [], []
        for start in range(0, len(rows), _CHUNKS_AT_ONCE):
            batch = torch.tensor(rows[start : start + _CHUNKS_AT_ONCE], device=device)
            output = self.encoder(batch, output_hidden_states=self.penultimate)
            contexts.append(output.hidden_states[-2] if self.penultimate else output[0])
            firsts.append(output[0][:1])
        context = torch.cat(contexts)
        return context.reshape(1, -1, context.shape[-1]), firsts[0]

    def layers(self, rows: Tensor, mask: Tensor | None = None) -> list[Tensor]:
        """Return what a context may consist of, each [rows, positions, channels], the usual one first.

        The usual one, the last layer's output, that of every layer, and that of every layer normalised as
        the last one is (clip skip).

        Args:
            rows: ids [rows, positions], of any length up to 77: what stands at a position depends on nothing
                after it.
            mask: 0 where a position is not attended to.
        """
        output = self.encoder(rows, attention_mask=mask, output_hidden_states=True)
        normalize = getattr(self.encoder, "text_model", self.encoder).final_layer_norm
        usual = output.hidden_states[-2] if self.penultimate else output.last_hidden_state
        states = output.hidden_states
        return [usual, output.last_hidden_state, *states, *(normalize(state) for state in states)]


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
