"""Cross-image attention: the appearance of one picture on the structure of another.

Alaluf et al., "Cross-Image Attention for Zero-Shot Appearance Transfer" (2023). The first picture of the call
is the structure, the second the appearance, and every further one an output. At self-attention layers of the
up part, the output's queries meet the appearance's keys and values, with their contrast raised by β:

    A = softmax(q_out k_appᵀ)      A* V = β A V + (1 - β) mean(V)      V = v_app

which is A* = β (A - 1/M) + 1/M over M keys; the paper also clips A* to [0, 1] (`clip`), which takes the
probabilities. The prediction is led away from the plain one, ε = ε_plain + s (ε_swap - ε_plain), with s
falling to its half, and the output's latents take the mean and deviation of the appearance's (AdaIN), within
the masks of the thing's words where they are given.

We differ in that both pictures are generated, so that no inversion is needed: every picture of the call
begins from the same noise, and the swap begins at 0.3 of the steps, as the paper's inversion skips the first
32 of 100. Its s of 3.5 stands in for classifier-free guidance; ours comes on top of it, and is 1 by default.
The paper's FreeU, and its structure's keys at every fifth step, are left out; windows are shares of the
schedule.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vxa.attention.sites import Site, SiteSpec
from vxa.errors import SteeringError
from vxa.settings import setting
from vxa.steering.control import Compute, Control, Pass, Predict, SteeredCall
from vxa.steering.style_aligned import adain
from vxa.steering.word_maps import WordMaps, find_things

__all__ = ["CrossImageAttention"]

_STRUCTURE, _APPEARANCE, _FIRST_OUTPUT = 0, 1, 2


@dataclass(eq=False)
class CrossImageAttention(Control):
    """The second picture's appearance on the first one's structure, in every further picture.

    Raises SettingError for a value out of range.
    """

    swap_from: float = setting(
        0.3, "Appearance from", "Share of the steps after which the appearance's attention is used.",
        low=0, high=1, step=0.05,
    )  # fmt: skip
    coarse_until: float = setting(
        0.7, "Coarse until", "Share of the steps in which it is used on grids of half the latent's sides.",
        low=0, high=1, step=0.05,
    )  # fmt: skip
    fine_until: float = setting(
        0.9, "Fine until", "Share of the steps in which it is used on the latent's own grid.",
        low=0, high=1, step=0.05,
    )  # fmt: skip
    contrast: float = setting(
        1.67, "Contrast", "Factor by which attention differs from an even one.", low=1, high=5, step=0.1
    )
    clip: bool = setting(
        False, "Clip contrast", "Keep raised attention from 0 to 1, as the paper does; slower."
    )
    guidance: float = setting(
        1.0, "Swap guidance", "How far to lead away from the plain prediction at first; 1 is not at all.",
        low=1, high=20, step=0.5,
    )  # fmt: skip
    normalize: bool = setting(True, "Match colours", "Give the latents the appearance's mean and deviation.")
    normalize_from: float = setting(
        0.2, "Match from", "Share of the steps after which they get it.", low=0, high=1, step=0.05
    )
    things: str = setting(
        "",
        "Things",
        "Words that name the things in both prompts, as in car, house; all of the picture if blank.",
    )
    threshold: float = setting(
        0.3, "Threshold", "Of the words' maps, as a share of their maximum.", low=0, high=1, step=0.05
    )
    sites: SiteSpec = setting("all", "Layers", "Attention layers (sites) that it may reach.")

    needs_reference = True

    def begin(self) -> None:
        """Check that there is an output, and find the things' words."""
        if len(self.generation.prompts) <= _FIRST_OUTPUT:
            raise SteeringError(
                "CrossImageAttention needs three prompts in one call, of the structure, the appearance and "
                f"the output, and there are {len(self.generation.prompts)}; give the structure's twice"
            )
        words = find_things(self.generation, self.things, "things")
        if words and not {_STRUCTURE, _APPEARANCE} <= set(words):
            raise SteeringError(
                f"things: {self.things!r} names nothing in the structure's or the appearance's prompt; name "
                "a word of each, as in car, house"
            )
        sources = {image: tokens for image, tokens in words.items() if image < _FIRST_OUTPUT}
        self._maps = WordMaps(self.generation, sources, self.threshold)
        self._is_swapping = True

    def wants(self, site: Site, run: Pass) -> bool:
        """Return whether the layer is swapped in this step, or the words are read there."""
        if site.kind == "cross":
            return self._is_swapping and site in self._maps.sites
        return self._is_swapping and self._swaps(site, run)

    def _swaps(self, site: Site, run: Pass) -> bool:
        until = {1: self.fine_until, 2: self.coarse_until}.get(site.factor, 0.0)
        steps = self.generation.steps
        return site.part == "up" and round(self.swap_from * steps) <= run.step < round(until * steps)

    def predict(self, sample: Tensor, run: Pass, predict: Predict) -> Tensor:
        """Return the prediction, led from the plain one to the swapped one; a trace counts the latter."""
        factor = self.guidance * (1 - run.step / max(1, self.generation.steps - 1) / 2)
        own = [site for site in self.generation.sites if site.kind == "self"]
        if factor == 1 or self.guidance == 1 or not any(self._swaps(site, run) for site in own):
            return predict(sample)
        self._is_swapping = False
        plain = predict(sample, heard=False)
        self._is_swapping = True
        return plain + factor * (predict(sample) - plain)

    def attend(self, call: SteeredCall, run: Pass, compute: Compute) -> Tensor:
        """Return the product in which the outputs attend to the appearance."""
        if call.site.kind == "cross":
            self._maps.read(call.site, [call], self.find_rows(call, run))
            return compute(call)
        key, value, outputs = call.key.clone(), call.value.clone(), list[int]()
        for negative in (False, True):
            rows = self.find_rows(call, run, negative)
            for image, place in rows.items():
                if image >= _FIRST_OUTPUT:
                    row, other = (
                        call.places.index(each) for each in (place, self.reference_row(rows, _APPEARANCE))
                    )
                    key[row], value[row] = call.key[other], call.value[other]
                    outputs.append(place)
        if not outputs:
            return compute(call)
        swapped = call.replace(key=key, value=value, foreign=(*call.foreign, *outputs))
        product = compute(swapped)
        return product if self.contrast == 1 else self._contrasted(swapped, product.clone(), outputs)

    def _contrasted(self, call: SteeredCall, product: Tensor, outputs: list[int]) -> Tensor:
        """Return the product with the outputs' attention A* in place of A."""
        for place in outputs:
            row = call.places.index(place)
            value = call.value[row]
            if self.clip:
                even = 1 / value.shape[1]
                raised = (self.contrast * (call.probabilities(place) - even) + even).clamp(0, 1)
                product[row] = raised.to(value) @ value
            else:
                mean = value.mean(1, keepdim=True)
                product[row] = self.contrast * product[row] + (1 - self.contrast) * mean
        return product

    def edit_latents(self, latents: Tensor, run: Pass) -> Tensor:
        """Return latents with the outputs' mean and deviation those of the appearance."""
        if not self.normalize or run.step < round(self.normalize_from * self.generation.steps):
            return latents
        structure, appearance = (self._mask(image, latents) for image in (_STRUCTURE, _APPEARANCE))
        edited = latents.clone()
        reference = _pixels(latents[_APPEARANCE], appearance)
        for image in range(_FIRST_OUTPUT, len(latents)):
            found = adain(_pixels(latents[image], structure), reference)
            edited[image][:, structure] = found[0, 0].T
        return edited

    def _mask(self, image: int, latents: Tensor) -> Tensor:
        """Return where an image's thing is, bool [h, w]; everywhere without words."""
        found = self._maps.mask(image)
        return torch.ones_like(latents[0, 0], dtype=torch.bool) if found is None else found.to(latents.device)


def _pixels(latent: Tensor, mask: Tensor) -> Tensor:
    """Return the latent [channels, h, w] where the mask is set, as [1, 1, pixels, channels]."""
    return latent[:, mask].T[None, None]
