"""Rows of a pipeline's passes: whose prompt each row reads, and from which image's latent.

A row is known by its own context, whatever the number and order of the rows, and by its own latent. The
network's input is the latent that the scheduler steps from, times a factor (`scale_model_input`), so the two
are proportional.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import ref

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


def inputs_of(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], levels_of: Callable[[Any], Sequence[float]]
) -> Inputs:
    """Return sample, timesteps and context from the arguments of the network's forward.

    `levels_of` returns the values of the timestep that is among them.

    Raises RecordingError unless the sample is [rows, channels, height, width] and there is a context.
    """
    named = dict(zip(("sample", "timestep", "encoder_hidden_states"), args, strict=False)) | dict(kwargs)
    sample, context = named.get("sample"), named.get("encoder_hidden_states")
    if not torch.is_tensor(sample) or sample.ndim != 4 or not torch.is_tensor(context):
        raise RecordingError(
            "the network was not called with images [rows, channels, height, width] and a context: "
            "VXA traces pipelines of single images (SD1, SD2, SDXL)"
        )
    return Inputs(sample, tuple(dict.fromkeys(levels_of(named["timestep"]))), context)


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
        self._last: tuple[ref[Tensor], int, Candidates] | None = None

    def find_candidates(self, context: Tensor) -> Candidates:
        """Return the rows of a batch whose context is that of a prompt of the call; others are left out.

        Each row's own image comes first in diffusers' layouts, then those whose context is the same. A
        context is compared once, and again when it was changed.
        """
        if context.is_inference():  # torch does not count its versions
            return self._compare(context)
        if self._last is None or self._last[0]() is not context or self._last[1] != context._version:
            self._last = ref(context), context._version, self._compare(context)
        return self._last[2]

    def _compare(self, context: Tensor) -> Candidates:
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
    first = _first_free(candidates, len(latents), taken)
    if first and _are_made_from(sample, latents, first):
        return first
    found: dict[int, Row] = {}
    for place, rows in candidates.items():
        free = (row for row in rows if row not in taken and row not in found.values())
        match = next((row for row in free if _was_made_from(sample[place], latents, row)), None)
        if match is not None:
            found[place] = match
    return found


def _first_free(candidates: Candidates, images: int, taken: Collection[Row]) -> dict[int, Row]:
    """Return the row of each place if every place was made from the first one that it may be."""
    found: dict[int, Row] = {}
    for place, rows in candidates.items():
        free = (row for row in rows if row not in taken and row not in found.values())
        match = next((row for row in free if row.image < images), None)
        if match is not None:
            found[place] = match
    return found


def _are_made_from(sample: Tensor, latents: Tensor, rows: Mapping[int, Row]) -> bool:
    """Return whether each of these rows was made from its image's latent: the device is asked once."""
    if sample.shape[2:] != latents.shape[2:] or sample.shape[1] < latents.shape[1]:
        return False
    own = torch.stack([sample[place] for place in rows])
    return all(_are_multiples(own, torch.stack([latents[row.image] for row in rows.values()])))


def _was_made_from(sample: Tensor, latents: Tensor, row: Row) -> bool:
    return row.image < len(latents) and is_multiple(sample, latents[row.image])


def is_multiple(sample: Tensor, latent: Tensor) -> bool:
    """Return whether the sample's first channels are a positive multiple of the latent [channels, h, w]."""
    if sample.shape[1:] != latent.shape[1:] or len(sample) < len(latent):
        return False
    return _are_multiples(sample[None], latent[None])[0]


def _are_multiples(samples: Tensor, latents: Tensor) -> list[bool]:
    """Return whether each sample's first channels are a positive multiple of its latent.

    The tolerance is that of the coarser dtype of the two: both were rounded after scaling.
    """
    own = samples[:, : latents.shape[1]]
    eps = max(torch.finfo(each.dtype).eps for each in (own, latents))
    first, second = own.detach().float().flatten(1), latents.detach().to(own.device).float().flatten(1)
    factor = (first * second).sum(1) / (second * second).sum(1).clamp_min(1e-30)
    error = (first - factor[:, None] * second).abs().amax(1)
    largest = first.abs().amax(1).clamp_min(1e-30)
    verdict: list[bool] = ((factor > 0) & (error <= 8 * eps * largest)).tolist()
    return verdict
