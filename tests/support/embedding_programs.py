"""Embeddings as other programs make them of a prompt, by the formulas that these document; none is imported.

A prompt is given as fragments (text, weight), each tokenized by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Fragments = Sequence[tuple[str, float]]
ROOM = 75


def ids_of(tokenizer: Any, fragments: Fragments) -> tuple[list[int], list[float]]:
    ids: list[int] = []
    weights: list[float] = []
    for text, weight in fragments:
        own = tokenizer(text, add_special_tokens=False, truncation=False, verbose=False).input_ids
        ids += own
        weights += [weight] * len(own)
    return ids, weights


def last_layer(encoder: Any, ids: Sequence[int], mask: Tensor | None = None) -> Tensor:
    """[positions, channels] of SD1."""
    context: Tensor = encoder(torch.tensor([list(ids)]), attention_mask=mask)[0][0]
    return context


def layer_before(encoder: Any, ids: Sequence[int], mask: Tensor | None = None) -> Tensor:
    """[positions, channels] of SDXL."""
    output = encoder(torch.tensor([list(ids)]), attention_mask=mask, output_hidden_states=True)
    context: Tensor = output.hidden_states[-2][0]
    return context


@torch.no_grad()
def scaled(
    tokenizer: Any, encoder: Any, fragments: Fragments, cuts: Sequence[int] = (), fill: bool = True,
    keep_mean: bool = False, pad: int | None = None, encode: Callable[..., Tensor] = last_layer,
) -> Tensor:  # fmt: skip
    """Multiply each embedding by its weight, as AUTOMATIC1111's webui and sd_embed do.

    `cuts` are where chunks end, by default after every 75 tokens; `fill` pads the last chunk. `keep_mean`
    scales a chunk to the mean that it had before, as the webui does.
    """
    ids, weights = ids_of(tokenizer, fragments)
    ends = [*(cuts or range(ROOM, len(ids), ROOM)), len(ids)]
    pad = tokenizer.eos_token_id if pad is None else pad
    found = []
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        own, factors = ids[start:end], weights[start:end]
        padding = ROOM - len(own) if fill or end < len(ids) else 0
        plain = encode(encoder, [tokenizer.bos_token_id, *own, tokenizer.eos_token_id, *[pad] * padding])
        weighted = plain * torch.tensor([1.0, *factors, 1.0, *[1.0] * padding])[:, None]
        found.append(weighted * (plain.mean() / weighted.mean()) if keep_mean else weighted)
    return torch.cat(found)


@torch.no_grad()
def from_empty(
    tokenizer: Any, encoder: Any, fragments: Fragments, encode: Callable[..., Tensor] = last_layer
) -> Tensor:
    """Move each embedding away from the empty prompt's, of one chunk, as compel does.

    Words weighed down are also mixed with embeddings that do not see them.
    """
    ids, weights = ids_of(tokenizer, fragments)
    begin, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    row = [begin, *ids, end, *[pad] * (ROOM - len(ids))]
    factors = torch.tensor([1.0, *weights, *[1.0] * (76 - len(ids))])[:, None]
    empty = encode(encoder, [begin, end, *[pad] * ROOM])

    def weighted(mask: Tensor | None = None) -> Tensor:
        return empty + factors * (encode(encoder, row, mask) - empty)

    mixed, total, place = weighted(), 1.0, 1
    for text, weight in fragments:
        count = len(ids_of(tokenizer, [(text, 1.0)])[0])
        if weight < 1:
            mask = torch.ones(1, len(row), dtype=torch.long)
            mask[0, place : place + count] = 0
            share = math.tan((1 - weight) * math.pi / 2)
            mixed, total = mixed + share * weighted(mask), total + share
        place += count
    return mixed / total
