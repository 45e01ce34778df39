"""Arguments of a pipeline's call of its network, and the mapping from batch rows to prompts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vxa.errors import RecordingError
from vxa.models.prompt_events import EncodedPrompts

__all__ = ["inputs_of", "rows_of"]


def inputs_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Tensor, float, Tensor]:
    """Return sample, timestep and context from the arguments of the network's forward.

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
    return sample, float(timestep.reshape(-1)[0] if torch.is_tensor(timestep) else timestep), context


def rows_of(encoded: EncodedPrompts, context: Tensor, negative: bool) -> dict[int, int]:
    """Map each row of a pass to its prompt's index.

    Image i's prompt has index i, its negative prompt images + i.

    diffusers puts the unconditional rows first. This is verified: RecordingError is raised unless the rows'
    context equals the context that was encoded for them.
    """
    images, rows = len(encoded.context), len(context)
    guided = rows == 2 * images and encoded.negative_context is not None
    expected = [encoded.context]
    if guided:
        assert encoded.negative_context is not None
        expected = [encoded.negative_context, encoded.context]
    whole = torch.cat([part.to(context) for part in expected])
    if whole.shape != context.shape or not torch.equal(whole, context):
        raise RecordingError(
            f"the pipeline ran the network on {rows} rows for {images} images, and they are not its negative "
            "and its own prompts, as they were encoded: it mixes prompts, or adds passes of its own, which "
            "VXA cannot tell apart; use a plain pipeline"
        )
    first = images if guided else 0
    found = {first + image: image for image in range(images)}
    if guided and negative:
        found |= {image: images + image for image in range(images)}
    return found
