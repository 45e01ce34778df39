"""Controls: what changes attention, latents or predictions while a picture is made.

    class Blind(Control):                                  # nobody attends to the end of the text
        kind = "cross"
        def attend(self, call, run, compute):
            bias = torch.zeros(call.key.shape[2])
            bias[-1] = -math.inf
            return compute(call.biased(bias))

    vxa.generate("papercut", "a red hat", controls=[Blind()])

Every method is optional. A control is copied for each generation, so it may keep what it finds in itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any, ClassVar

from torch import Tensor, nn

from vxa.attention.sites import Kind, Site, SiteSpec
from vxa.attention.steered import Compute, SteeredCall
from vxa.errors import SteeringError, WordError
from vxa.models.pipeline_session import TakenStep
from vxa.models.session import Pass
from vxa.settings import Settings
from vxa.steering.predictions import Predict
from vxa.tokens import Token, find_words

__all__ = [
    "Compute",
    "Control",
    "Generation",
    "Pass",
    "Predict",
    "SteeredCall",
    "TakenStep",
    "describe",
    "mentions",
    "token_indices",
]


@dataclass(frozen=True, eq=False)
class Generation:
    """A generation that is steered: one call of the pipeline, from its first pass on.

    Attributes:
        prompts: the text of each image's prompt; blank where only its embeddings are known.
        steps: the number of steps.
        latent_size: (height, width).
        sites: every attention layer of the network.
        default_sites: the cross-attention layers whose maps say best where a word is.
        network: the network.
        read_tokens: returns the tokens of each image's prompt.
        encode: returns the context [1, tokens, channels] of another prompt.
        model: the model (`vxa.models.protocol.Model`).
        negatives: the text of each image's negative prompt; None where only its embeddings are known.
    """

    prompts: tuple[str, ...]
    steps: int
    latent_size: tuple[int, int]
    sites: tuple[Site, ...]
    default_sites: str
    network: nn.Module
    read_tokens: Callable[[], Sequence[tuple[Token, ...]]]
    encode: Callable[[str], Tensor]
    model: Any
    negatives: tuple[str | None, ...] = ()

    @cached_property
    def tokens(self) -> tuple[tuple[Token, ...], ...]:
        """Tokens of each image's prompt. Raises PromptError where only embeddings are known."""
        return tuple(self.read_tokens())


class Control(Settings):
    """Base of the controls; every method leaves things as they are.

    Attributes:
        sites: the attention layers that it may reach, in the grammar of `vxa.attention.sites`.
        kind: "cross" or "self" if it reaches one kind alone.
        needs_reference: whether the first image is the reference for the others, of which there must be one.
        own_noise: whether the pictures of a batch begin from noise of their own.
        start: the latents [1, channels, h, w] from which every picture begins; None is the seed's noise.
        only_looks: whether it changes nothing; any other control that changed nothing is an error.
        features: the network's modules whose outputs it may change, by name; known after `begin`.
        generation: the generation, from `begin` on.
    """

    sites: SiteSpec = "all"
    kind: ClassVar[Kind | None] = None
    needs_reference: ClassVar[bool] = False
    own_noise: ClassVar[bool] = False
    start: Tensor | None = None
    only_looks: bool = False
    features: tuple[str, ...] = ()
    generation: Generation

    def begin(self) -> None:
        """Prepare for `self.generation`. Raise a VxaError where its prompts do not fit."""

    def wants(self, site: Site, run: Pass) -> bool:
        """Return whether to call `attend` for a layer in a pass."""
        return True

    def attend(self, call: SteeredCall, run: Pass, compute: Compute) -> Tensor:
        """Return the layer's product [rows, heads, queries, channels]."""
        return compute(call)

    def predict(self, sample: Tensor, run: Pass, predict: Predict) -> Tensor:
        """Return the network's prediction for a sample [rows, channels, h, w].

        `predict` may be called several times: with parts of the sample, or rows that read other prompts,
        which `begin` best encodes once (`self.generation.encode`).
        """
        return predict(sample)

    def feature(self, name: str, output: Tensor, run: Pass) -> Tensor:
        """Return the output [rows, channels, h, w] of one of the modules in `features`."""
        return output

    def take_step(self, latents: Tensor, run: Pass, step: TakenStep) -> Tensor:
        """Return the latents [images, channels, h, w] that a step leads to, before any control edits them."""
        return latents

    def edit_latents(self, latents: Tensor, run: Pass) -> Tensor:
        """Return the latents [images, channels, h, w] with which the pipeline goes on after a step."""
        return latents

    def for_generation(self, generation: Generation) -> Control:
        """Return a copy that has begun a generation."""
        own = copy(self)
        own.generation = generation
        if own.needs_reference:
            own._check_pairs()
        own.begin()
        return own

    def _check_pairs(self) -> None:
        """Raise SteeringError unless there is a reference and another image."""
        if len(self.generation.prompts) < 2:
            raise SteeringError(
                f"{type(self).__name__} needs at least two prompts in one call, the first being the "
                f"reference, and there is one: {self.generation.prompts[0][:60]!r}; give several"
            )

    def find_rows(self, call: SteeredCall, run: Pass, negative: bool = False) -> dict[int, int]:
        """Return the place in the batch of each image's row of one branch, as far as the call has it.

        At a cross-attention layer, rows that read another text than their image's prompt are left out.
        """
        found: dict[int, int] = {}
        for place, row in run.rows.items():
            reads_other = call.site.kind == "cross" and row.text
            if row.negative == negative and place in call.places and not reads_other:
                found.setdefault(row.image, place)
        return found

    def reference_row(self, rows: Mapping[int, int], image: int = 0) -> int:
        """Return the place of the reference's row. Raises SteeringError where it is not in the pass."""
        if image not in rows:
            raise SteeringError(
                f"{type(self).__name__} needs the row of image {image} in every pass, and this pass has the "
                f"images {sorted(rows)}; call the pipeline with all prompts at once"
            )
        return rows[image]


def describe(control: Control) -> str:
    """Return a control's name with the settings that are not its defaults."""
    kind: Any = type(control)
    settings = fields(kind) if is_dataclass(kind) else ()
    plain = {
        each.name: each.default_factory() if callable(each.default_factory) else each.default
        for each in settings
    }
    changed = [
        f"{name}={getattr(control, name)!r}" for name in plain if getattr(control, name) != plain[name]
    ]
    return f"{kind.__name__}({', '.join(changed)})"


def token_indices(tokens: Sequence[Token], phrase: str, name: str) -> tuple[int, ...]:
    """Return the indices of a phrase's tokens in one prompt. Raises WordError."""
    try:
        found = find_words(tokens, [phrase])
    except WordError as error:
        raise WordError(f"{name}: {error}") from None
    return tuple(index for word in found for index in word.tokens)


def mentions(tokens: Sequence[Token], phrase: str) -> bool:
    """Return whether a prompt has the phrase."""
    try:
        return bool(find_words(tokens, [phrase]))
    except WordError:
        return False
