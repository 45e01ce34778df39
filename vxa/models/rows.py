"""Rows of a pipeline's passes: whose prompt each row reads, and from which image's latent.

A row is known by its own context, whatever the number and order of the rows, and by its own latent. The
network's input is the latent that the scheduler steps from, times a factor (`scale_model_input`), so the two
are proportional.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vxa.errors import RecordingError
from vxa.models.prompt_events import EncodedPrompts
from vxa.models.session import Row

__all__ = ["Candidates", "Contexts", "Inputs", "assign_rows", "inputs_of", "is_multiple"]

Candidates = Mapping[int, tuple[Row, ...]]
"""For each row of a batch that reads a prompt of the call, the images and branches whose context it has."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """Arguments of a forward: sample [rows, channels, h, w], timesteps, context [rows, tokens, channels]."""

    sample: Tensor
    timesteps: tuple[float, ...]
    context: Tensor

    @property
    def latent_size(self) -> tuple[int, int]:
        """(height, width) of the sample."""
        return self.sample.shape[-2], self.sample.shape[-1]


def inputs_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Inputs:
    """Return sample, timesteps and context from the arguments of the network's forward.

    Raises RecordingError unless the sample is [rows, channels, height, width] and there is a context.
    """
    named = dict(zip(("sample", "timestep", "encoder_hidden_states"), args, strict=False)) | dict(kwargs)
    sample, context = named.get("sample"), named.get("encoder_hidden_states")
    if not torch.is_tensor(sample) or sample.ndim != 4 or not torch.is_tensor(context):
        raise RecordingError(
            "the network was not called with images [rows, channels, height, width] and a context: "
            "VXA traces pipelines of single images (SD1, SD2, SDXL)"
        )
    timestep = named["timestep"]
    levels = timestep.reshape(-1).tolist() if torch.is_tensor(timestep) else [timestep]
    return Inputs(sample, tuple(dict.fromkeys(float(level) for level in levels)), context)


class Contexts:
    """Contexts of a call's prompts, by which its rows are known."""

    def __init__(self, encoded: EncodedPrompts) -> None:
        own = [(Row(image), each) for image, each in enumerate(encoded.context)]
        negative = [
            (Row(image, negative=True), each)
            for image, each in enumerate(() if encoded.negative_context is None else encoded.negative_context)
        ]
        # diffusers puts the negative rows first.
        self._layouts = [[*negative, *own], own] if negative else [own]
        self._distinct = _distinct([*own, *negative])

    def find_candidates(self, context: Tensor) -> Candidates:
        """Return the rows of a batch whose context is that of a prompt of the call; others are left out.

        Each row's own image comes first in diffusers' layouts, then those whose context is the same.
        """
        for layout in self._layouts:
            if len(layout) == len(context) and _is_same(context, torch.stack([each for _, each in layout])):
                return {
                    place: (row, *(each for each in self._alike(row) if each != row))
                    for place, (row, _) in enumerate(layout)
                }
        found = {}
        for place, each in enumerate(context):
            rows = [row for known, same in self._distinct if _is_same(each, known) for row in same]
            if rows:
                found[place] = tuple(rows)
        return found

    def _alike(self, row: Row) -> tuple[Row, ...]:
        """Return the rows of the same branch with the same context."""
        groups = (same for _, same in self._distinct if row in same)
        return tuple(each for same in groups for each in same if each.negative == row.negative)


def _distinct(rows: Sequence[tuple[Row, Tensor]]) -> list[tuple[Tensor, list[Row]]]:
    """Return each distinct context, and the rows that have it."""
    found: list[tuple[Tensor, list[Row]]] = []
    for row, context in rows:
        same = next((group for known, group in found if _is_same(known, context)), None)
        if same is None:
            found.append((context, [row]))
        else:
            same.append(row)
    return found


def _is_same(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and torch.equal(first, second.to(first))


def assign_rows(
    candidates: Candidates, sample: Tensor, latents: Tensor, taken: Collection[Row]
) -> dict[int, Row]:
    """Return the rows that were made from these latents [images, channels, h, w], by place in the batch.

    Rows that are `taken` are left out. Of several rows for one image and branch the first is the step's own:
    pipelines with perturbed attention repeat it afterwards.
    """
    found: dict[int, Row] = {}
    for place, rows in candidates.items():
        free = (row for row in rows if row not in taken and row not in found.values())
        match = next((row for row in free if _was_made_from(sample[place], latents, row)), None)
        if match is not None:
            found[place] = match
    return found


def _was_made_from(sample: Tensor, latents: Tensor, row: Row) -> bool:
    return row.image < len(latents) and is_multiple(sample, latents[row.image])


def is_multiple(sample: Tensor, latent: Tensor) -> bool:
    """Return whether the sample's first channels are a positive multiple of the latent [channels, h, w].

    The tolerance is that of the coarser dtype of the two: both were rounded after scaling.
    """
    own = sample[: len(latent)]
    if own.shape != latent.shape:
        return False
    eps = max(torch.finfo(each.dtype).eps for each in (own, latent))
    first, second = own.detach().float(), latent.detach().to(own.device).float()
    factor = (first * second).sum() / (second * second).sum().clamp_min(1e-30)
    error = (first - factor * second).abs().max()
    return bool((factor > 0) & (error <= 8 * eps * first.abs().max().clamp_min(1e-30)))
