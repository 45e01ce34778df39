"""A Stable Diffusion model object of ldm or sgm, as webuis have it, as a Model; neither is imported.

    maps = vxa.visualize(LdmModel(sd_model), "photo.png", "a cat on a sofa")

The object is recognised by its members: LatentDiffusion's `encode_first_stage`, `apply_model` and
`alphas_cumprod`, and at `model.diffusion_model` a UNet of input, middle and output blocks. It is neither
moved nor changed. Only its own methods are called, never its parts, since hosts with little memory move
weights in and out around them. What only the host knows (its reading of prompts, its precision, its device)
is passed to LdmModel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import get_ident
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from vxa.errors import ModelError
from vxa.models.clip import TextEncoder
from vxa.models.latent_cache import cached_latent
from vxa.models.ldm.checks import SUPPORTED, check_model, extra_channels, pixels_of_a_latent
from vxa.models.ldm.sites import ldm_sites, level_factors
from vxa.models.protocol import INPAINTING, Conditioning, pixels_for
from vxa.models.unet import usual_sites
from vxa.tokens import Token

__all__ = ["LdmModel", "PromptReader"]

_COMPUTE_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class PromptReader(Protocol):
    """Reader of a host's prompts; both methods must describe the same positions."""

    def tokens(self, prompt: str) -> tuple[Token, ...]:
        """Return one Token for each position of the prompt's context."""

    def condition(self, prompt: str, image_size: tuple[int, int]) -> Tensor | Mapping[str, Any]:
        """Return the result of the host's `get_learned_conditioning` for one image of (height, width).

        It is a context [1, 77·chunks, channels], or sgm's dict of `crossattn`, `vector` and more.
        """


class LdmModel:
    """A LatentDiffusion, or a DiffusionEngine to which its host added `apply_model` and `alphas_cumprod`.

    Args:
        model: the object.
        prompts: the reader of prompts; by default the CLIP of a plain ldm model of SD1's kind.
        name: the model's name in provenance; by default its class.
        notes: facts that a reader of its maps must know: networks and embeddings in use.
        default_sites: the sites read when none are named, by default `usual_sites`.
        device: the device on which the model computes; by default that of its UNet.
        within: makes the context of each call of the model, such as a host's autocast.

    Raises:
        ModelError: the object is not of this family.
    """

    def __init__(
        self,
        model: Any,
        prompts: PromptReader | None = None,
        *,
        name: str | None = None,
        notes: tuple[str, ...] = (),
        default_sites: str | None = None,
        device: torch.device | str | None = None,
        within: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        check_model(model)
        self.model = model
        self.name = name or type(model).__name__
        self.sites = ldm_sites(self.network)
        if not any(site.kind == "cross" for site in self.sites):
            raise ModelError(f"the UNet of {self.name} has no cross-attention layers; {SUPPORTED}")
        self._prompts = prompts or _clip_prompts(model)
        self._inpaints = extra_channels(self.network) > 0
        self.notes = (*notes, INPAINTING) if self._inpaints else notes
        self.default_sites = default_sites or usual_sites(self.sites)
        self.multiple = level_factors(self.network)[-1] * pixels_of_a_latent(model.first_stage_model)
        self._device = torch.device(device or _first_parameter(self.network).device)
        self._within = within

    @property
    def network(self) -> nn.Module:
        """UNet that the object holds now."""
        network: nn.Module = self.model.model.diffusion_model
        return network

    @property
    def alphas_cumprod(self) -> Tensor:
        """ᾱ [num_timesteps] in float32 on the CPU, as the host has it now (a host may rescale it)."""
        alphas: Tensor = self.model.alphas_cumprod
        return alphas.detach().float().cpu()

    @property
    def num_timesteps(self) -> int:
        """Length of the noise schedule."""
        return len(self.model.alphas_cumprod)

    @property
    def prediction_type(self) -> str:
        """Quantity that the UNet predicts, by diffusers' names."""
        parameterization = str(getattr(self.model, "parameterization", "eps"))
        return {"eps": "epsilon", "v": "v_prediction", "x0": "sample"}.get(parameterization, parameterization)

    def tokenize(self, prompt: str) -> tuple[Token, ...]:
        """Return one Token for each position of the prompt's context."""
        return self._prompts.tokens(prompt)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Return the scaled mode of the posterior [n, c, h, w], float32 on the CPU.

        Raises:
            ModelError: the VAE gives no mean and variance.
        """
        mode = cached_latent(self.model.first_stage_model, pixels, lambda: self._mode(pixels))
        return mode * float(self.model.scale_factor)

    @torch.no_grad()
    def _mode(self, pixels: Tensor) -> Tensor:
        """Return the mode of the posterior, float32 on the CPU."""
        first_stage = self.model.first_stage_model
        pixels = pixels_for(self._device, pixels, _precision(first_stage))
        with _moments(first_stage) as moments, self._within():
            encoded = self.model.encode_first_stage(pixels)
        mean = encoded.mode() if hasattr(encoded, "mode") and not torch.is_tensor(encoded) else _mean(moments)
        return mean.float().cpu()

    def encode_prompt(self, prompt: str, image_size: tuple[int, int]) -> Conditioning:
        """Encode the prompt by its reader; for an inpainting model add the mask and the masked image."""
        with self._within():
            encoded = self._prompts.condition(prompt, image_size)
        parts: dict[str, Any] = dict(encoded) if isinstance(encoded, Mapping) else {"crossattn": encoded}
        context: Tensor = parts.pop("crossattn")
        if self._inpaints:
            parts["c_concat"] = [self._all_masked(image_size)]
        return Conditioning(self.tokenize(prompt), context, parts)

    def denoise(self, latent: Tensor, timestep: int, conditioning: Conditioning) -> Tensor:
        """Return the UNet's raw prediction for latents [1, c, h, w] on the variance-preserving schedule."""
        noised = latent.to(self._device, _precision(self.network))
        context = conditioning.context.to(self._device)
        # sgm takes tensors under its own names, ldm lists. The dict is new, since hosts write into it.
        text = {"crossattn": context} if hasattr(self.model, "conditioner") else {"c_crossattn": [context]}
        rest = {name: _move(part, self._device) for name, part in conditioning.extra.items()}
        with self._within():
            prediction: Tensor = self.model.apply_model(
                noised, torch.tensor([timestep], device=self._device), {**text, **rest}
            )
        return prediction

    def _all_masked(self, image_size: tuple[int, int]) -> Tensor:
        """Return an inpainting UNet's extra channels [1, 1 + c, h, w]: a mask of ones, and a grey latent."""
        grey = self.encode_image(torch.zeros(1, 3, *image_size))
        return torch.cat([torch.ones_like(grey[:, :1]), grey], 1)


class _ClipPrompts:
    """Reader of prompts by ldm's own CLIP embedder, chunk by chunk as in the webui."""

    def __init__(self, embedder: Any) -> None:
        self._text = TextEncoder(embedder.tokenizer, embedder.transformer, False, lambda prompt, _: prompt)

    def tokens(self, prompt: str) -> tuple[Token, ...]:
        return self._text.tokens(prompt)

    def condition(self, prompt: str, image_size: tuple[int, int]) -> Tensor:
        return self._text.encode(prompt, _first_parameter(self._text.encoder).device)[0]


def _clip_prompts(model: Any) -> PromptReader:
    embedder = getattr(model, "cond_stage_model", None)
    parts = all(hasattr(embedder, part) for part in ("tokenizer", "transformer"))
    if not parts or getattr(embedder, "layer", "last") != "last":
        raise ModelError(
            f"{type(model).__name__} holds no CLIP text encoder of SD1's kind; give a reader of its prompts"
        )
    return _ClipPrompts(embedder)


@contextmanager
def _moments(first_stage: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the means and variances that the VAE's `quant_conv` outputs in this block, in this thread.

    sgm's encoder returns a random sample of them instead.
    """
    moments: list[Tensor] = []
    thread = get_ident()

    def on_output(module: nn.Module, inputs: Any, output: Tensor) -> None:
        if get_ident() == thread:
            moments.append(output.detach())

    layer = getattr(first_stage, "quant_conv", None)
    handle = layer.register_forward_hook(on_output) if isinstance(layer, nn.Module) else None
    try:
        yield moments
    finally:
        if handle is not None:
            handle.remove()


def _mean(moments: list[Tensor]) -> Tensor:
    if not moments:
        raise ModelError(f"the model's VAE gives no mean and variance (no quant_conv ran); {SUPPORTED}")
    return torch.cat(moments).chunk(2, dim=1)[0]


def _first_parameter(module: nn.Module) -> Tensor:
    return next(module.parameters())


def _precision(module: nn.Module) -> torch.dtype:
    """Return the dtype in which the module computes; for weights stored in 8 bits it is float32."""
    dtype = _first_parameter(module).dtype
    return dtype if dtype in _COMPUTE_DTYPES else torch.float32


def _move(part: Any, device: torch.device) -> Any:
    return [item.to(device) for item in part] if isinstance(part, list) else part.to(device)
