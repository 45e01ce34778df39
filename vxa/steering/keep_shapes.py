"""Shapes kept: the things that an edit should leave alone look at themselves as in the first picture.

Patashnik et al., "Localizing Object-level Shape Variations with Text-to-Image Diffusion Models" (2023),
section 4.2. At the self-attention layers whose grid is at most half the latent's, in the first 80 % of
the steps, with m the mask of the things to keep, A* has the first picture's attention in the rows and
columns of m and its own elsewhere:

    A*[i, j] = A_first[i, j] if m[i] or m[j] else A[i, j]

After 70 % of the steps, outside the thing that may change, the latent is the first picture's. As attention is
linear in the values, A* V is computed as two products: the columns of m, with the first picture's queries and
keys, and all other columns, where each query has its own or the first picture's keys. Like the paper's, the
rows of A* need not sum to one.

We differ in the mask: it is read from the cross-attention of the words so far (`vxa.steering.word_maps`),
not from segments of self-attention, and there is none before the first layer of it ran. Early maps are wide,
so the threshold is high: at 0.3 of the maximum, papercut's mask of a house keeps the ball beside it, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from vxa.attention.sites import Site
from vxa.errors import SettingError, SteeringError
from vxa.settings import setting
from vxa.steering.blend import Blend
from vxa.steering.control import Compute, Control, Pass, SteeredCall
from vxa.steering.word_maps import WordMaps, find_things

__all__ = ["KeepShapes"]

_COARSE = 2


@dataclass(eq=False)
class KeepShapes(Control):
    """Shapes of the first picture's things, kept in every further picture.

    Raises SettingError for a value out of range, or without words.
    """

    keep: str = setting("", "Things kept", "Words of the first prompt whose things keep their shape.")
    change: str = setting(
        "", "Change only", "Words that name what may change: all else becomes the first picture's."
    )
    self_until: float = setting(
        0.8, "Shapes kept until", "Share of the steps in which shapes are kept.",
        low=0, high=1, step=0.05,
    )  # fmt: skip
    background_from: float = setting(
        0.7, "Background from", "Share of the steps after which all else becomes the first picture's.",
        low=0, high=1, step=0.05,
    )  # fmt: skip
    threshold: float = setting(
        0.6, "Threshold", "Of the map of what is kept, as a share of its maximum.", low=0, high=1, step=0.05
    )
    change_threshold: float = setting(
        0.3, "Change threshold", "Of the map of what may change.", low=0, high=1, step=0.05
    )

    needs_reference = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.keep.strip() and not self.change.strip():
            raise SettingError(
                'KeepShapes has no words; give what to keep, as keep="house", or what may change'
            )

    def begin(self) -> None:
        """Find the words in the prompts."""
        keep = find_things(self.generation, self.keep, "keep")
        if self.keep and 0 not in keep:
            raise SettingError(f"keep: {self.keep!r} is not in the first prompt; name its words")
        self._kept = WordMaps(self.generation, {0: keep[0]} if keep else {}, self.threshold)
        change = find_things(self.generation, self.change, "change")
        self._blend = Blend(self.generation, change, self.change_threshold, self.background_from)

    def wants(self, site: Site, run: Pass) -> bool:
        """Return whether shapes are kept at the layer in this step, or the words are read there."""
        if site.kind == "cross":
            return site in self._kept.sites or site in self._blend.sites
        return site.factor >= _COARSE and run.step < round(self.self_until * self.generation.steps)

    def attend(self, call: SteeredCall, run: Pass, compute: Compute) -> Tensor:
        """Return the product in which the kept things attend, and are attended to, as in the first."""
        rows = self.find_rows(call, run)
        if call.site.kind == "cross":
            for maps in (self._kept, self._blend):
                maps.read(call.site, [call], rows)
            return compute(call)
        mask, targets = self._kept.mask(0), [place for image, place in rows.items() if image]
        if mask is None or not targets:
            return compute(call)
        kept = _on_grid(mask, call.site.grid(self.generation.latent_size))
        if call.key.shape[2] != len(kept):
            raise SteeringError(
                f"KeepShapes has a mask of {len(kept)} places at {call.site.label}, and there are "
                f"{call.key.shape[2]} keys: another control adds some; put KeepShapes before it"
            )
        return self._keeping(call, compute, kept, self.reference_row(rows), targets)

    def _keeping(
        self, call: SteeredCall, compute: Compute, kept: Tensor, source: int, targets: list[int]
    ) -> Tensor:
        """Return A* V of the targets' rows, and the others' own product."""
        own, first = call.only(targets), call.only([source] * len(targets))
        columns = own.replace(query=first.query, key=first.key)
        others = own.replace(
            query=torch.where(kept[:, None], first.query, own.query),
            key=torch.cat([own.key, first.key], 2),
            bias=None
            if own.bias is None
            else own.bias.expand(*own.bias.shape[:3], len(kept)).repeat(1, 1, 1, 2),
        ).biased(_own_keys(kept, call.query))
        inside, outside = (torch.diag(each.to(call.value)) for each in (kept, ~kept))
        for place in targets:
            columns = columns.mapped(place, inside)
            others = others.mapped(place, torch.cat([outside, outside]))
        rest = [place for place in call.places if place not in targets]
        product = call.value.new_empty(*call.query.shape[:3], call.value.shape[3])
        product[[call.places.index(place) for place in rest]] = compute(call.only(rest))
        product[[call.places.index(place) for place in targets]] = compute(columns) + compute(others)
        return product

    def edit_latents(self, latents: Tensor, run: Pass) -> Tensor:
        """Return latents that are the first picture's but where the things are that may change."""
        return self._blend.apply(latents, run)


def _on_grid(mask: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return where at least half of a mask's cell is set, bool [h·w]."""
    found = functional.interpolate(mask[None, None].float(), grid, mode="area")
    return found.flatten() >= 0.5


def _own_keys(kept: Tensor, query: Tensor) -> Tensor:
    """Return the bias [1, 1, queries, 2 · keys] for kept queries to see the second keys, others the first."""
    bias = query.new_zeros(len(kept), 2, len(kept))
    bias[kept, 0] = -math.inf
    bias[~kept, 1] = -math.inf
    return bias.flatten(1)[None, None]
