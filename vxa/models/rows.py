"""Rows of a pipeline's passes: whose prompt each row reads, and from which image's latent.

A row is known by its own context, whatever the number and order of the rows, and by its own latent. The
network's input is the latent that the scheduler steps from, times a factor (`scale_model_input`), so the two
are proportional.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vxa.errors import RecordingError
from vxa.models.prompt_events import EncodedPrompts
from vxa.models.session import Row

__all__ = ["Candidates", "Inputs", "assign_rows", "find_candidates", "inputs_of", "is_multiple"]

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


def find_candidates(encoded: EncodedPrompts, context: Tensor) -> Candidates:
    """Return the rows whose context is that of a prompt of the call; other rows are left out.

    diffusers puts the negative rows first. So where a negative prompt equals the prompt, the first rows are
    taken for the negative ones.
    """
    images = len(encoded.context)
    branches = [(encoded.context, False)]
    if encoded.negative_context is not None:
        branches.append((encoded.negative_context, True))
    if len(branches) == 2 and len(context) == 2 * images:
        branches.reverse()
        whole = torch.cat([part.to(context) for part, _ in branches])
        if whole.shape == context.shape and torch.equal(whole, context):
            rows = [Row(image, negative=negative) for _, negative in branches for image in range(images)]
            return _by_context(rows, whole)
    found = {}
    for row, own in enumerate(context):
        same = tuple(
            Row(image, negative=negative)
            for part, negative in branches
            for image, other in enumerate(part)
            if other.shape == own.shape and torch.equal(other.to(own), own)
        )
        if same:
            found[row] = same
    return found


def _by_context(rows: list[Row], contexts: Tensor) -> Candidates:
    """Return each row's own image first, then the other images of its branch with an equal context."""
    found = {}
    for place, own in enumerate(rows):
        others = tuple(
            other
            for at, other in enumerate(rows)
            if at != place and other.negative == own.negative and torch.equal(contexts[at], contexts[place])
        )
        found[place] = (own, *others)
    return found


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
