"""MultiDiffusion: pictures larger than the model's own, and regions with prompts of their own.

Bar-Tal et al., "MultiDiffusion: Fusing Diffusion Paths for Controlled Image Generation" (2023). The network
runs on views of the latent, and its predictions ε are averaged where views overlap, with masks W as weights:

    ε(z) = Σ_i W_i ε_i(z_i) / Σ_i W_i                z_i is the crop of view i

The paper averages steps: z' = Σ W_i Φ(z_i, ε_i) / Σ W_i. Where the sampler's step is linear, the same for
each pixel, Φ(z, ε) = a z + b ε, that is a z + b Σ W_i ε_i / Σ W_i, as the crops are of one z: a step by the
averaged prediction. So it is for DDIM, Euler, Heun, DPM-Solver and guidance. Samplers that add noise add it
once to the whole picture; the paper's average of several noises is less noise than the sampler's.

A region is a box with a prompt, which every picture reads there in its conditional branch; where no region
is, the picture's own prompt is read. In the first steps (bootstrapping) the outside of a region is a noised
constant colour, so that its thing forms within it.

We differ in three things. W falls linearly over a view's overlap with its neighbours (`feather`): with the
paper's even W, the picture has a seam wherever a view begins. The colour is drawn anew for every step and
region. A last view that does not fit the stride is moved to the border.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vxa.errors import SettingError
from vxa.models.session import Row
from vxa.settings import setting
from vxa.steering.control import Control, Pass, Predict

__all__ = ["MultiDiffusion", "Region"]

_COLOUR_SIDE = 8


@dataclass(frozen=True)
class Region:
    """Box of the picture with a prompt of its own.

    Raises SettingError for a box that is none.

    Attributes:
        box: (top, left, bottom, right), as fractions of the picture's height and width.
        prompt: the text that is read there.
        style: the index of the picture whose style this region has under `StyleAligned`; None is the first's.
            A picture that is a style has no regions itself.
    """

    box: tuple[float, float, float, float]
    prompt: str
    style: int | None = None

    def __post_init__(self) -> None:
        top, left, bottom, right = self.box
        if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
            raise SettingError(
                f"the box {self.box!r} is none; give (top, left, bottom, right), fractions of the picture "
                "from 0 to 1, as in (0, 0, 1, 0.5)"
            )

    def mask(self, size: tuple[int, int]) -> Tensor:
        """Return where the region is, float32 [h, w]: at least one cell."""
        mask = torch.zeros(size)
        (top, bottom), (left, right) = (
            _span(self.box[first], self.box[first + 2], side) for first, side in enumerate(size)
        )
        mask[top:bottom, left:right] = 1
        return mask


def _span(first: float, last: float, side: int) -> tuple[int, int]:
    start = min(round(first * side), side - 1)
    return start, max(round(last * side), start + 1)


@dataclass(eq=False)
class MultiDiffusion(Control):
    """Predictions in views, averaged: panoramas, and regions with their own prompts.

    Raises SettingError for a value out of range.
    """

    size: int | None = setting(
        None, "View", "Side of a view in pixels; the size the model was made for if blank.", low=8, step=8
    )
    stride: int | None = setting(
        None, "Stride", "Pixels from view to view; a quarter of the view if blank.", low=8, step=8
    )
    feather: bool = setting(
        True, "Feather", "Let a view count less towards its border, so that no seam is seen."
    )
    regions: Sequence[Region] = ()
    bootstrap: float = setting(
        0.2, "Bootstrapping", "Share of the steps in which a region sees a plain colour outside it.",
        low=0, high=1, step=0.05,
    )  # fmt: skip

    def begin(self) -> None:
        """Cut the picture into views, and encode the regions' prompts."""
        generation = self.generation
        self._view, self._stride = self._cells()
        self._styles = {region.style for region in self.regions if region.style is not None}
        if max(self._styles, default=0) >= len(generation.prompts):
            raise SettingError(
                f"a region has the style of picture {max(self._styles)}, and the call has "
                f"{len(generation.prompts)}; give the index of one of its prompts, from 0"
            )
        for region in self.regions:
            generation.encode(region.prompt)
        self._masks = [region.mask(generation.latent_size) for region in self.regions]
        background = torch.ones(generation.latent_size)
        for mask in self._masks:
            background = background * (1 - mask)
        self._parts: list[tuple[Region | None, Tensor]] = [
            (None, background), *zip(self.regions, self._masks, strict=True),
        ]  # fmt: skip
        self._noise: Tensor | None = None

    def _cells(self) -> tuple[tuple[int, int], int]:
        """Return the view's (height, width) and the stride in cells of the latent. Raises SettingError."""
        pixels = self.generation.model.pixels_per_latent
        for name, value in (("size", self.size), ("stride", self.stride)):
            if value is not None and value % pixels:
                raise SettingError(
                    f"{name} {value} is not a multiple of {pixels} pixels, a cell of the latent"
                )
        config: Any = self.generation.network.config
        own = config.get("sample_size") if self.size is None else self.size // pixels
        if own is None:
            raise SettingError("the model does not say the size it was made for; give the size of a view")
        height, width = own if isinstance(own, Sequence) else (own, own)
        stride = min(height, width) // 4 if self.stride is None else self.stride // pixels
        return (height, width), max(1, stride)

    def predict(self, sample: Tensor, run: Pass, predict: Predict) -> Tensor:
        """Return the average of the views' predictions."""
        views = list(_views(run.latent_size, self._view, self._stride))
        if len(views) == 1 and not self.regions:
            return predict(sample)
        if self._noise is None:
            self._noise = sample
        found: list[tuple[tuple[slice, slice], Tensor, Tensor]] = []
        for rows, columns in views:
            for number, (region, mask) in enumerate(self._parts):
                weight = self._weight(sample, run, region, mask)[..., rows, columns]
                weight = weight * self._feathered(rows, columns, run.latent_size).to(weight)
                if weight.any():
                    seen = self._seen(sample, run, number)[..., rows, columns]
                    prediction = predict(seen, _rows(run, region, self._styles))
                    found.append(((rows, columns), weight, prediction))
        total = sample.new_zeros(len(sample), found[0][2].shape[1], *run.latent_size)
        weights = total[:, :1].clone()
        for (rows, columns), weight, prediction in found:
            total[..., rows, columns] += weight * prediction
            weights[..., rows, columns] += weight
        return total / weights

    def _weight(self, sample: Tensor, run: Pass, region: Region | None, mask: Tensor) -> Tensor:
        """Return W of each row [rows, 1, h, w]; a style's picture counts where it is the reference."""
        weight = mask.to(sample).repeat(len(sample), 1, 1, 1)
        seen = _rows(run, region, self._styles)
        for place, row in run.rows.items():
            if row.image in self._styles:
                weight[place] = float(seen[place].image == 0)
        return weight

    def _feathered(self, rows: slice, columns: slice, size: tuple[int, int]) -> Tensor:
        """Return how much each cell of a view counts, float32 [h, w]."""
        first, second = (
            _ramp(span, side, view - self._stride if self.feather else 0)
            for span, side, view in zip((rows, columns), size, self._view, strict=True)
        )
        return first[:, None] * second

    def _seen(self, sample: Tensor, run: Pass, number: int) -> Tensor:
        """Return what a region's rows see: in the first steps, a noised colour outside it."""
        region, mask = self._parts[number]
        if region is None or run.step >= round(self.bootstrap * self.generation.steps):
            return sample
        assert self._noise is not None
        colour = self._colour(run.step * len(self._parts) + number)
        alphas = self.generation.model.alphas_cumprod
        alpha = float(alphas[min(len(alphas) - 1, max(0, round(run.timestep)))])
        channels = len(colour)
        outside = (
            alpha**0.5 * colour[:, None, None].to(sample) + (1 - alpha) ** 0.5 * self._noise[:, :channels]
        )
        seen = sample.clone()
        for place, row in run.rows.items():
            if row.image not in self._styles:
                inside = sample[place, :channels]
                seen[place, :channels] = torch.where(mask.to(sample.device) > 0, inside, outside[place])
        return seen

    def _colour(self, seed: int) -> Tensor:
        """Return the latent [channels] of a random colour: the mean over a plain picture's."""
        model = self.generation.model
        colour = 2 * torch.rand(3, generator=torch.Generator().manual_seed(seed)) - 1
        side = _COLOUR_SIDE * model.pixels_per_latent
        with torch.no_grad():
            latent: Tensor = model.encode_image(colour[None, :, None, None].expand(1, 3, side, side))
        return latent[0].mean((1, 2))


def _views(size: tuple[int, int], view: tuple[int, int], stride: int) -> Iterator[tuple[slice, slice]]:
    """Return the rows and columns of each view; together they cover a latent of (height, width)."""
    rows, columns = (_spans(side, own, stride) for side, own in zip(size, view, strict=True))
    return ((row, column) for row in rows for column in columns)


def _spans(side: int, view: int, stride: int) -> list[slice]:
    """Return the places of views along a side; the last one ends at the border."""
    last = max(0, side - view)
    return [slice(start, start + min(side, view)) for start in [*range(0, last, stride), last]]


def _ramp(span: slice, side: int, overlap: int) -> Tensor:
    """Return weights along a span: 1, but rising over the overlap from its ends within the picture."""
    length = span.stop - span.start
    rising = ((torch.arange(length) + 0.5) / max(overlap, 0.5)).clamp(max=1)
    ramp = torch.ones(length)
    if span.start > 0:
        ramp = torch.minimum(ramp, rising)
    return torch.minimum(ramp, rising.flip(0)) if span.stop < side else ramp


def _rows(run: Pass, region: Region | None, styles: set[int]) -> dict[int, Row]:
    """Return the rows as controls see them in a region: its prompt read, its style in the first's place."""
    if region is None:
        return dict(run.rows)
    swapped = {} if region.style is None else {0: region.style, region.style: 0}
    return {
        place: replace(
            row,
            image=swapped.get(row.image, row.image),
            text=row.text if row.negative or row.image in styles else region.prompt,
        )
        for place, row in run.rows.items()
    }
