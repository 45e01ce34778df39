"""Protocol of a model: the members that VXA needs of a latent diffusion model of Stable Diffusion's shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from vxa.attention.sites import Site
from vxa.tokens import Token

INPAINTING = "an inpainting model: it is told that the whole image is masked"
"""Note of an inpainting model's own passes."""


@dataclass(frozen=True, eq=False)
class Conditioning:
    """An encoded prompt.

    Attributes:
        tokens: one for each position of the context, in its order.
        context: [1, 77·chunks, channels].
        extra: further inputs of the model's own `denoise` (SDXL's pooled text and sizes).
    """

    tokens: tuple[Token, ...]
    context: Tensor
    extra: Mapping[str, Any] = field(default_factory=dict)


class Model(Protocol):
    """A latent diffusion model whose attention can be watched."""

    @property
    def name(self) -> str:
        """Name in provenance."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Facts that a reader of its maps must know: adapters in use now, parts not shown."""

    @property
    def network(self) -> nn.Module:
        """Module in which the sites' names are looked up."""

    @property
    def sites(self) -> tuple[Site, ...]:
        """Every self- and cross-attention layer (site) in run order."""

    @property
    def default_sites(self) -> str:
        """Sites read when none are named, in the grammar of `vxa.attention.sites`."""

    @property
    def multiple(self) -> int:
        """Divisor of an image's sides, in pixels, with which every grid halves exactly."""

    @property
    def num_timesteps(self) -> int:
        """Length of the noise schedule: timesteps are 0 … num_timesteps - 1."""

    @property
    def alphas_cumprod(self) -> Tensor:
        """ᾱ [num_timesteps] in float32 on the CPU: x_t = √ᾱ_t z + √(1 - ᾱ_t) ε.

        Raises:
            ModelError: the model's noise follows no ᾱ.
        """

    @property
    def prediction_type(self) -> str:
        """Quantity that `denoise` predicts: "epsilon", "v_prediction" or "sample"."""

    def tokenize(self, prompt: str) -> tuple[Token, ...]:
        """Return one Token for each position of the prompt's context."""

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Return the scaled latent [n, c, h, w], float32 on the CPU, of pixels [n, 3, H, W] in [-1, 1].

        Deterministic: the mode of the posterior, not a sample.
        """

    def encode_prompt(self, prompt: str, image_size: tuple[int, int]) -> Conditioning:
        """Encode the whole prompt, for an image of (height, width), with its graph where torch keeps one."""

    def denoise(self, latent: Tensor, timestep: int, conditioning: Conditioning) -> Tensor:
        """Return the network's raw prediction for the noised latent [1, c, h, w], without guidance."""


def pixels_for(device: torch.device, pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the pixels in an encoder's fastest layout; on a CPU channels last takes a fifth less time."""
    layout = torch.channels_last if device.type == "cpu" else torch.contiguous_format
    return pixels.to(device, dtype, memory_format=layout)
