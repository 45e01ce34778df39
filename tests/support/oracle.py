"""Attention taken by the test itself: softmax(q kᵀ · scale + mask) at each `attn2`, from its weights.

    with oracle(pipeline) as passes:
        pipeline(…)
    passes[3].maps["mid_block…attn2"]              # [rows, queries, tokens], the mean over heads

It shares no code with what it checks: it reads the layers' inputs, not their projections.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from vxa.maps.attention_maps import AttentionMaps


@dataclass
class OraclePass:
    """One forward: its inputs, and every cross-attention layer's probabilities."""

    sample: Tensor
    timestep: float
    context: Tensor
    maps: dict[str, Tensor] = field(default_factory=dict)


@contextmanager
def oracle(pipeline: Any) -> Iterator[list[OraclePass]]:
    """Yield the passes of the pipeline's network in this block."""
    passes: list[OraclePass] = []

    def begin(module: Any, args: Any, kwargs: Any) -> None:
        named = dict(zip(("sample", "timestep", "encoder_hidden_states"), args, strict=False)) | kwargs
        timestep = torch.as_tensor(named["timestep"]).reshape(-1)[0]
        passes.append(OraclePass(named["sample"].clone(), float(timestep), named["encoder_hidden_states"]))

    def read(name: str) -> Any:
        def hook(layer: Any, args: Any, kwargs: Any) -> None:
            with torch.no_grad():
                context = kwargs["encoder_hidden_states"]
                mask = kwargs.get("attention_mask")
                passes[-1].maps[name] = probabilities(layer, args[0], context, mask)

        return hook

    with ExitStack() as handles:
        handles.callback(pipeline.unet.register_forward_pre_hook(begin, with_kwargs=True).remove)
        for name, layer in pipeline.unet.named_modules():
            if name.endswith("attn2"):
                handle = layer.register_forward_pre_hook(read(name), with_kwargs=True)
                handles.callback(handle.remove)
        yield passes


def probabilities(layer: Any, hidden: Tensor, context: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean over heads [rows, queries, tokens], in float64."""
    query, key = (
        linear(each.double(), part.weight.double()).unflatten(-1, (layer.heads, -1)).transpose(1, 2)
        for each, part in ((hidden, layer.to_q), (context, layer.to_k))
    )
    logits = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
    if mask is not None:
        logits = logits + mask.double().reshape(len(hidden), 1, -1, logits.shape[-1])
    return logits.softmax(-1).mean(1)


def largest_error(maps: AttentionMaps, passes: Sequence[OraclePass], rows: Sequence[int]) -> float:
    """Return the largest difference between the maps and the mean over the passes, a row of each."""
    worst = 0.0
    for name, record in maps.records.items():
        expected = torch.stack([one.maps[name][row] for one, row in zip(passes, rows, strict=True)]).mean(0)
        found = record.tokens(range(record.token_count)).flatten(1).T
        worst = max(worst, float((found - expected).abs().max()))
    return worst
