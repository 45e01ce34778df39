"""Weights of an ldm or sgm checkpoint for the networks of diffusers and transformers, by name and shape.

    sources = find_sources(unet, unet_names(unet.config), "model.diffusion_model.")
    missing = [name for name, source in sources.items() if source.name not in file]

A source says where in the checkpoint a network's weight is: under which name, as which third (open_clip keeps
query, key and value in one matrix), and whether it is transposed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vxa.models.ldm.weight_names import Names, rename_weights

__all__ = ["Source", "find_clip_sources", "find_open_clip_sources", "find_sources"]

_OPEN_CLIP = {
    "embeddings.token_embedding": "token_embedding",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm": "ln_final",
}
_OPEN_CLIP_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
    "self_attn.q_proj": "attn.in_proj",
    "self_attn.k_proj": "attn.in_proj",
    "self_attn.v_proj": "attn.in_proj",
}
_THIRDS = {"q_proj": 0, "k_proj": 1, "v_proj": 2}
_LEVEL = "text_model."  # of transformers' names: in version 5 only where there is a projection
_PROJECTION = "text_projection.weight"


@dataclass(frozen=True)
class Source:
    """Place of one weight in a checkpoint.

    Attributes:
        name: the checkpoint's name for it.
        shape: the weight's shape in the network.
        third: which third of the rows it is, None for all.
        transposed: whether rows and columns are exchanged.
    """

    name: str
    shape: tuple[int, ...]
    third: int | None = None
    transposed: bool = False

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Return whether a checkpoint's weight has the shape; a matrix may be a 1×1 convolution there."""
        rows = [side for side in self.shape if side != 1]
        rows = rows[::-1] if self.transposed else rows
        rows = [3 * rows[0], *rows[1:]] if self.third is not None else rows
        return rows == [side for side in shape if side != 1]

    def take(self, weight: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the network's weight, in the precision `dtype`, from the checkpoint's."""
        weight = weight if self.third is None else weight.chunk(3)[self.third]
        weight = weight.T if self.transposed else weight
        return weight.reshape(self.shape).to(dtype).contiguous()


def find_sources(network: nn.Module, names: Names, prefix: str) -> dict[str, Source]:
    """Return the source of each weight; `names` is a table of prefixes (`vxa.models.ldm.weight_names`)."""
    weights = network.state_dict()
    renamed = rename_weights({name: name for name in weights}, names, prefix)
    return {own: Source(name, tuple(weights[own].shape)) for name, own in renamed.items()}


def find_clip_sources(network: nn.Module, prefix: str) -> dict[str, Source]:
    """Return the source of each weight of a CLIP text encoder in transformers' layout."""
    shapes = {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
    return {name: Source(prefix + name.removeprefix(_LEVEL), shape) for name, shape in shapes.items()}


def find_open_clip_sources(network: nn.Module, prefix: str) -> dict[str, Source]:
    """Return the source of each weight of a CLIP text encoder in open_clip's layout."""
    names = dict(_OPEN_CLIP)
    config: Any = network.config
    for layer in range(config.num_hidden_layers):
        for own, theirs in _OPEN_CLIP_LAYER.items():
            names[f"encoder.layers.{layer}.{own}"] = f"transformer.resblocks.{layer}.{theirs}"
    return {
        name: _open_clip_source(name, weight, names, prefix) for name, weight in network.state_dict().items()
    }


def _open_clip_source(name: str, weight: Tensor, names: Mapping[str, str], prefix: str) -> Source:
    shape, plain = tuple(weight.shape), name.removeprefix(_LEVEL)
    if plain == _PROJECTION:
        return Source(f"{prefix}text_projection", shape, transposed=True)
    (renamed,) = rename_weights({plain: name}, dict(names), prefix)
    third = _THIRDS.get(plain.split(".")[-2])
    if third is not None:  # attn.in_proj_weight, not attn.in_proj.weight
        start, _, kind = renamed.rpartition(".")
        return Source(f"{start}_{kind}", shape, third)
    return Source(renamed, shape)
