"""Whose row each row of the webui's denoiser is: what a forward of the network reads, and of which image.

AUTOMATIC1111's denoiser lays out one list of rows at each of its calls: the conditional rows first, of each
image its parts (AND), then one unconditional row of each image. It runs the network on that list whole or in
slices, always in this order: of the batch's size without `batch_cond_uncond`, conditional and unconditional
apart where their contexts differ in length. Unconditional rows may be left out (NGMS, an early guidance
start). So a row is known by its place in the list, and what it reads is held against what was announced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vxa.errors import RecordingError

__all__ = ["Prompts", "RowPrompt", "Rows", "Texts", "unmarked"]

Texts = Sequence[tuple[int, str]]

_MARK = 1024.0
_OTHERS = "an extension changes what the network reads or adds passes of its own; switch it off"


def unmarked(context: Tensor) -> Tensor:
    """What cross-attention reads of a context [rows, tokens, channels].

    The webui's ControlNet (Mikubill/sd-webui-controlnet, scripts/hook.py) sets a position of 1024 or −1024
    before a row's first token, to tell the conditional rows, and takes it off again within the network.
    """
    marked = len(context) > 0 and bool((context[:, 0].abs() == _MARK).all())
    return context[:, 1:] if marked else context


@dataclass(frozen=True)
class RowPrompt:
    """A text that a row reads: of the prompt of an image of the batch, or of its negative prompt."""

    image: int
    text: str
    negative: bool = False


@dataclass(frozen=True)
class Prompts:
    """The texts that a batch is made from; each is a schedule of texts, with the last step that each is for.

    Attributes:
        parts: of each image, the schedule of each part that AND joins.
        negatives: of each image, the negative prompt's schedule.
    """

    parts: Sequence[Sequence[Texts]]
    negatives: Sequence[Texts]

    def at(self, step: int) -> tuple[list[RowPrompt], list[RowPrompt]]:
        """What the conditional rows and the unconditional ones read at a step of the denoiser."""
        conditional = [
            RowPrompt(image, _in_force(texts, step))
            for image, parts in enumerate(self.parts)
            for texts in parts
        ]
        unconditional = [
            RowPrompt(image, _in_force(texts, step), negative=True)
            for image, texts in enumerate(self.negatives)
        ]
        return conditional, unconditional


def _in_force(texts: Texts, step: int) -> str:
    """The text of a prompt that is edited on its way ([a:b:n]): the first that ends at the step or later."""
    return next((text for end, text in texts if step <= end), texts[0][1])


class Rows:
    """The rows of one call of the denoiser, taken as the network's forwards come.

    Args:
        conditional, unconditional: what each row reads, in order.
        contexts: the conditional rows' [rows, tokens, channels], and the unconditional ones'.
        latent_size: (height, width).
    """

    def __init__(
        self,
        conditional: Sequence[RowPrompt],
        unconditional: Sequence[RowPrompt],
        contexts: tuple[Tensor, Tensor],
        latent_size: tuple[int, int],
    ) -> None:
        if (len(conditional), len(unconditional)) != (len(contexts[0]), len(contexts[1])):
            raise RecordingError(
                f"the webui's denoiser has {len(contexts[0])} conditional rows and {len(contexts[1])} others "
                f"where its prompts make {len(conditional)} and {len(unconditional)}: {_OTHERS}"
            )
        self._spoken = [*conditional, *unconditional]
        self._expected = [*contexts[0], *contexts[1]]
        self._conditional = len(conditional)
        self._latent_size = latent_size
        self._taken = 0

    def take(self, context: Tensor, latent_size: tuple[int, int]) -> list[RowPrompt]:
        """What the rows of the next forward read, whose context [rows, tokens, channels] this is.

        Raises:
            RecordingError: the forward is not one of those announced.
        """
        if latent_size != self._latent_size:
            raise RecordingError(
                f"the network ran on a latent of {latent_size} of an image of {self._latent_size}: it is run "
                "on tiles; switch that off"
            )
        first, last = self._taken, self._taken + len(context)
        if last > len(self._spoken):
            raise RecordingError(
                f"the network ran on {last} rows or more at a step, and {len(self._spoken)} were announced: "
                + _OTHERS
            )
        if not all(map(_begins_alike, context, self._expected[first:last])):
            raise RecordingError(f"the network read other embeddings than those of the prompts: {_OTHERS}")
        self._taken = last
        return self._spoken[first:last]

    def check(self) -> None:
        """Raise RecordingError unless all rows were taken, the unconditional ones perhaps left out."""
        if self._taken not in (self._conditional, len(self._spoken)):
            raise RecordingError(
                f"the network ran on {self._taken} of {len(self._spoken)} rows that were announced: {_OTHERS}"
            )


def _begins_alike(context: Tensor, expected: Tensor) -> bool:
    """Whether two contexts [tokens, channels] are one, but that one of them was padded or cut."""
    length = min(len(context), len(expected))
    return torch.equal(context[:length], expected[:length].to(context))
