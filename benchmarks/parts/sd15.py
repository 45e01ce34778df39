"""UNet of Stable Diffusion 1.5 in its true size with random weights, as a Model whose encoders cost nothing.

A pass takes the same time with random weights, and nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from vxa.attention.sites import Site
from vxa.models.protocol import Conditioning
from vxa.models.unet import unet_sites
from vxa.tokens import Token

PROMPT = "a hat on a cat by the red house under blue sky"

SD15: dict[str, Any] = {
    "sample_size": 64, "block_out_channels": (320, 640, 1280, 1280), "cross_attention_dim": 768,
    "attention_head_dim": 8,  # the number of heads, by diffusers' old name
}  # fmt: skip
SDXL: dict[str, Any] = {
    "sample_size": 128, "block_out_channels": (320, 640, 1280), "cross_attention_dim": 2048,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10), "attention_head_dim": (5, 10, 20),
    "use_linear_projection": True, "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 6 * 256 + 1280,
}  # fmt: skip


def random_unet(shape: Mapping[str, Any] = SD15) -> UNet2DConditionModel:
    """Build the network in float32: 860 M parameters for SD15, 2.6 G for SDXL."""
    with torch.device("meta"):  # skips an initialisation that would be overwritten
        unet = UNet2DConditionModel(**shape)
    unet.to_empty(device="cpu")
    noise = torch.randn(2**20, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for name, parameter in unet.named_parameters():
            if parameter.ndim == 1:
                parameter.fill_(float(name.endswith("weight")))
            else:  # the scale of Kaiming's initialisation, so that all values stay finite and of order one
                scaled = noise * parameter[0].numel() ** -0.5
                for part in parameter.view(-1).split(len(noise)):
                    part.copy_(scaled[: len(part)])
    return unet.eval().requires_grad_(False)


def tokens(prompt: str = PROMPT) -> tuple[Token, ...]:
    """Return 77 tokens: one for each word, and CLIP's special ones."""
    texts = prompt.split()
    named = [Token(0, 0, "<bos>", None, "bos")]
    named += [Token(1 + word, 1, text, word, None) for word, text in enumerate(texts)]
    named.append(Token(len(named), 2, "<eos>", None, "eos"))
    named += [Token(index, 2, "<pad>", None, "pad") for index in range(len(named), 77)]
    return tuple(named)


@dataclass(eq=False)
class Sd15:
    """Network as a Model; `calls` counts its forward passes."""

    network: nn.Module = field(default_factory=random_unet)
    name: str = "sd15-random"
    notes: tuple[str, ...] = ()
    default_sites: str = "f4"
    multiple: int = 64
    num_timesteps: int = 1000
    calls: int = 0

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        self.sites: tuple[Site, ...] = unet_sites(self.network)
        self.context = torch.randn(1, 77, 768, generator=generator)
        self.latent = torch.randn(1, 4, 64, 64, generator=generator)
        self.alphas_cumprod = torch.linspace(0.999, 0.005, self.num_timesteps)

    @property
    def cross_sites(self) -> tuple[Site, ...]:
        """The 16 cross-attention sites."""
        return tuple(site for site in self.sites if site.kind == "cross")

    def tokenize(self, prompt: str) -> tuple[Token, ...]:
        """Return the prompt's tokens."""
        return tokens(prompt)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Return a fixed latent of 64×64, for an image of 512×512."""
        assert pixels.shape[-2:] == (512, 512)
        return self.latent

    def encode_prompt(self, prompt: str, image_size: tuple[int, int]) -> Conditioning:
        """Return a fixed context."""
        return Conditioning(tokens(prompt), self.context)

    def denoise(self, latent: Tensor, timestep: int, conditioning: Conditioning) -> Tensor:
        """Run one forward pass of the network."""
        self.calls += 1
        time = torch.tensor([timestep])
        with torch.no_grad():
            output: Tensor = self.network(latent, time, conditioning.context, return_dict=False)[0]
        return output

    def rows(self, batch: int, guided: bool) -> tuple[int, ...]:
        """Return every row: all are conditional."""
        return tuple(range(batch))

    def forward(self) -> Tensor:
        """Run one whole pass without hooks."""
        return self.denoise(self.latent, 1, Conditioning((), self.context))
