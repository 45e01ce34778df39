"""Rows of the webui's denoiser: maps each row of a network's batch to its image and prompt.

At each call, AUTOMATIC1111's denoiser lays out one list of rows. The conditional rows come first: for each
image, one row per part that AND joins. Then comes one unconditional row per image. The network runs on the
whole list or on slices of it, always in this order. Without `batch_cond_uncond` a slice is as large as the
batch; conditional and unconditional rows are separate slices if their contexts differ in length.
Unconditional rows may be left out (NGMS, an early guidance start). So a row is known by its index in the
list, and its context is compared with the announced one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vxa.errors import RecordingError
from vxa.models.session import Row

__all__ = ["Prompts", "Rows", "Texts", "remove_mark"]

Texts = Sequence[tuple[int, str]]

_MARK = 1024.0
_OTHERS = "an extension changes what the network reads or adds passes of its own; switch it off"


def remove_mark(context: Tensor) -> Tensor:
    """Remove ControlNet's mark from a context [rows, tokens, channels]; return what cross-attention reads.

    The webui's ControlNet (Mikubill/sd-webui-controlnet, scripts/hook.py) prepends a position of 1024 or
    −1024 to each row, to distinguish the conditional rows, and removes it again within the network.
    """
    marked = len(context) > 0 and bool((context[:, 0].abs() == _MARK).all())
    return context[:, 1:] if marked else context


@dataclass(frozen=True)
class Prompts:
    """Prompts of a batch, as schedules: (last step, text) pairs in order.

    Attributes:
        parts: for each image, the schedule of each part that AND joins.
        negatives: for each image, the schedule of its negative prompt.
    """

    parts: Sequence[Sequence[Texts]]
    negatives: Sequence[Texts]

    def at(self, step: int) -> tuple[list[Row], list[Row]]:
        """Return what the conditional and the unconditional rows read at a step of the denoiser."""
        conditional = [
            Row(image, _text_at(texts, step)) for image, parts in enumerate(self.parts) for texts in parts
        ]
        unconditional = [
            Row(image, _text_at(texts, step), negative=True) for image, texts in enumerate(self.negatives)
        ]
        return conditional, unconditional


def _text_at(texts: Texts, step: int) -> str:
    """Return a schedule's text at a step ([a:b:n]): the first that ends at the step or later."""
    return next((text for end, text in texts if step <= end), texts[0][1])


class Rows:
    """Rows of one call of the denoiser, taken in order by the network's forwards.

    Args:
        conditional, unconditional: the text of each row, in order.
        contexts: of the conditional and of the unconditional rows, each [rows, tokens, channels].
        latent_size: (height, width).

    Attributes:
        length: the number of positions of the context that was taken last.

    Raises:
        RecordingError: the numbers of rows and of contexts differ.
    """

    def __init__(
        self,
        conditional: Sequence[Row],
        unconditional: Sequence[Row],
        contexts: tuple[Tensor, Tensor],
        latent_size: tuple[int, int],
    ) -> None:
        if (len(conditional), len(unconditional)) != (len(contexts[0]), len(contexts[1])):
            raise RecordingError(
                f"the webui's denoiser has {len(contexts[0])} conditional rows and {len(contexts[1])} others "
                f"where its prompts make {len(conditional)} and {len(unconditional)}: {_OTHERS}"
            )
        self._row_prompts = [*conditional, *unconditional]
        self._expected = [*contexts[0], *contexts[1]]
        self._conditional = len(conditional)
        self._latent_size = latent_size
        self._position = 0
        self.length = 0

    def take(self, context: Tensor, latent_size: tuple[int, int]) -> list[Row]:
        """Return the texts of the next forward's rows, given its context [rows, tokens, channels].

        Raises:
            RecordingError: the forward is not one of those announced.
        """
        if latent_size != self._latent_size:
            raise RecordingError(
                f"the network ran on a latent of {latent_size} of an image of {self._latent_size}: it is run "
                "on tiles; switch that off"
            )
        first, last = self._position, self._position + len(context)
        if last > len(self._row_prompts):
            raise RecordingError(
                f"the network ran on {last} rows or more at a step, and {len(self._row_prompts)} were "
                f"announced: {_OTHERS}"
            )
        if not all(map(_same_start, context, self._expected[first:last])):
            raise RecordingError(f"the network read other embeddings than those of the prompts: {_OTHERS}")
        self._position, self.length = last, context.shape[1]
        return self._row_prompts[first:last]

    def check(self) -> None:
        """Raise RecordingError unless all rows were taken, or all but the unconditional ones."""
        if self._position not in (self._conditional, len(self._row_prompts)):
            raise RecordingError(
                f"the network ran on {self._position} of {len(self._row_prompts)} rows that were announced: "
                + _OTHERS
            )


def _same_start(context: Tensor, expected: Tensor) -> bool:
    """Return whether two contexts [tokens, channels] are equal, but for padding or cutting one of them."""
    length = min(len(context), len(expected))
    return torch.equal(context[:length], expected[:length].to(context))
