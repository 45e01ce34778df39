"""StyleAligned: several pictures in the style of the first.

Hertz et al., "Style Aligned Image Generation via Shared Attention" (2023). At every self-attention layer and
step, in both branches of guidance, each picture's queries and keys take the reference's mean and deviation
(AdaIN, over the tokens of each head's channel), and it attends to its own tokens and the reference's:

    softmax(AdaIN(q) [AdaIN(k), k_ref]ᵀ) [v, v_ref]

The reference is left alone. Released code also shares it with itself, which changes rounding only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vxa.attention.sites import SiteSpec
from vxa.settings import setting
from vxa.steering.control import Compute, Control, Pass, SteeredCall

__all__ = ["StyleAligned"]

_EPSILON = 1e-5


@dataclass(eq=False)
class StyleAligned(Control):
    """The first picture's style for every picture of the call.

    Raises SettingError for a value out of range.
    """

    strength: float = setting(
        1.0, "Strength", "Weight of the reference's tokens: 2 counts each of them twice.",
        low=0.01, high=100, step=0.25,
    )  # fmt: skip
    normalize: str = setting(
        "qk", "Normalize", "What takes the reference's mean and deviation: queries, keys, values.",
        choices=("none", "qk", "qkv"),
    )  # fmt: skip
    share: bool = setting(True, "Share attention", "Let each picture attend to the reference.")
    sites: SiteSpec = setting("all", "Layers", "Self-attention layers (sites) that are shared.")

    kind = "self"
    needs_reference = True
    own_noise = True

    def attend(self, call: SteeredCall, run: Pass, compute: Compute) -> Tensor:
        """Return the product in which every picture but the reference shares its attention."""
        shared: dict[int, int] = {}
        for negative in (False, True):
            rows = self.find_rows(call, run, negative)
            if len(rows) > 1:
                reference = self.reference_row(rows)
                shared.update((place, reference) for image, place in rows.items() if image)
        if not shared:
            return compute(call)
        rest = [place for place in call.places if place not in shared]
        product = torch.empty_like(call.query[..., :1]).expand(*call.query.shape[:3], call.value.shape[3])
        product = product.clone()
        for places, own in ((rest, call.only(rest)), (list(shared), self._shared(call, shared))):
            rows_of = [call.places.index(place) for place in places]
            product[rows_of] = compute(own)
        return product

    def _shared(self, call: SteeredCall, shared: dict[int, int]) -> SteeredCall:
        """Return the call of the pictures that share the references' attention."""
        own, reference = call.only(list(shared)), call.only(list(shared.values()))
        query, key, value = own.query, own.key, own.value
        if self.normalize != "none":
            query, key = adain(query, reference.query), adain(key, reference.key)
        if self.normalize == "qkv":
            value = adain(value, reference.value)
        own = own.replace(query=query, key=key, value=value)
        if not self.share:
            return own
        count = key.shape[2]
        own = own.replace(
            key=torch.cat([key, reference.key], 2), value=torch.cat([value, reference.value], 2)
        )
        if self.strength == 1:
            return own
        bias = torch.zeros(2 * count, device=key.device, dtype=key.dtype)
        bias[count:] = math.log(self.strength)
        return own.biased(bias[None, None, None])


def adain(values: Tensor, reference: Tensor) -> Tensor:
    """Return values [rows, heads, n, channels] with the reference's mean and deviation over n."""
    mean, deviation = _moments(values)
    other_mean, other_deviation = _moments(reference)
    return (values - mean) / deviation * other_deviation + other_mean


def _moments(values: Tensor) -> tuple[Tensor, Tensor]:
    variance, mean = torch.var_mean(values, 2, keepdim=True, correction=1)
    return mean, (variance + _EPSILON).sqrt()
