"""A diffusers pipeline of the SD1, SD2 or SDXL family as a Model.

The pipeline stays as it is (adapters, offloading and attention processors included) and is available as
`.pipeline`. Tensors go to its execution device, so that its own hooks load offloaded weights. Its parts are
read when they are used: its VAE and its scheduler may be exchanged at any time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vxa.errors import ModelError, PromptError
from vxa.models.chunks import CHUNK
from vxa.models.clip import TextEncoder, text_encoders
from vxa.models.embeddings import read_embeddings
from vxa.models.image_encoder import encode_mode, scale_latent
from vxa.models.latent_cache import cached_latent
from vxa.models.pipeline_checks import (
    SUPPORTED,
    check_context,
    check_layers,
    check_pass,
    check_pipeline,
    is_inpainting,
)
from vxa.models.protocol import INPAINTING, Conditioning
from vxa.models.schedule import count_timesteps, read_alphas, read_prediction_type, scale_input
from vxa.models.unet import unet_sites, usual_sites
from vxa.tokens import Token, cut_notes

__all__ = ["DiffusersModel"]

_IP_ADAPTER = "an IP-Adapter is loaded: only the text part of the attention is shown"
_NO_IMAGE_PROMPT = "the IP-Adapter's image prompt is empty"
_DISTILLED = "a network distilled with guidance: it is told that there is none"


class DiffusersModel:
    """A StableDiffusionPipeline, StableDiffusionXLPipeline or one of their shape, as a Model.

    Args:
        pipeline: the pipeline; it is neither moved nor changed.
        name: the model's name in provenance; by default the path or hub id it was loaded from.
        default_sites: the sites read when none are named, by default `usual_sites`.

    Raises:
        ModelError: the pipeline is not of this family.
    """

    def __init__(self, pipeline: Any, name: str | None = None, default_sites: str | None = None) -> None:
        check_pipeline(pipeline)
        self.pipeline = pipeline
        self.name = name or getattr(pipeline, "name_or_path", None) or type(pipeline).__name__
        self.sites = unet_sites(pipeline.unet)
        check_layers(self.name, pipeline.unet, self.sites)
        self.default_sites = default_sites or usual_sites(self.sites)

    @property
    def network(self) -> nn.Module:
        """The UNet."""
        unet: nn.Module = self.pipeline.unet
        return unet

    @property
    def notes(self) -> tuple[str, ...]:
        """Facts about VXA's own passes: adapters in use, and inputs that only a generation has."""
        notes = [_NO_IMAGE_PROMPT] if self._has_ip_adapter() else []
        notes += [INPAINTING] if is_inpainting(self.pipeline) else []
        notes += [_DISTILLED] if self._guidance_channels() else []
        return (*self.pipeline_notes, *notes)

    @property
    def pipeline_notes(self) -> tuple[str, ...]:
        """Adapters in use in the pipeline's own passes, which give an IP-Adapter its image prompt."""
        notes = []
        if getattr(self.network, "peft_config", None):
            active: list[str] = self.pipeline.get_active_adapters()
            notes.extend([f"LoRA active: {', '.join(active)}"] if active else [])
        if self._has_ip_adapter():
            notes.append(_IP_ADAPTER)
        return tuple(notes)

    @property
    def pixels_per_latent(self) -> int:
        """Image pixels along one side of a latent's cell: the VAE's, or the pipeline's own without a VAE."""
        vae = self._vae()
        factor = getattr(self.pipeline, "vae_scale_factor", None)
        if vae is not None:
            factor = 2 ** (len(vae.config.block_out_channels) - 1)
        if not factor:
            raise ModelError(
                f"{type(self.pipeline).__name__} has neither a VAE nor a vae_scale_factor, so that the size "
                "of its images is not known; give it one of them"
            )
        return int(factor)

    @property
    def multiple(self) -> int:
        """Divisor of an image's sides, in pixels, with which every grid halves exactly."""
        return max(site.factor for site in self.sites) * self.pixels_per_latent

    @property
    def num_timesteps(self) -> int:
        """Length of the current scheduler's noise schedule."""
        return count_timesteps(self.pipeline.scheduler)

    @property
    def alphas_cumprod(self) -> Tensor:
        """ᾱ [num_timesteps] of the current scheduler, float32 on the CPU; ModelError where it has none."""
        return read_alphas(self.pipeline.scheduler)

    @property
    def prediction_type(self) -> str:
        """Quantity that the UNet predicts, for the current scheduler."""
        return read_prediction_type(self.pipeline.scheduler)

    def tokenize(self, prompt: str) -> tuple[Token, ...]:
        """Return one Token for each position of the prompt's context."""
        return self._encoders()[0].tokens(prompt)

    def tokens_read(
        self, prompt: str, embeddings: Tensor, is_standard: bool
    ) -> tuple[tuple[Token, ...], tuple[str, ...]]:
        """Return one Token for each position of a prompt's embeddings [positions, channels], and notes.

        Args:
            prompt: the text.
            embeddings: those of one image.
            is_standard: whether they were cut as diffusers cuts, off after 75 tokens, or as `encode_prompt`
                does; beside a longer prompt, its context may be padded with chunks of the empty prompt. Other
                embeddings are checked against the prompt's own, position by position.

        Raises:
            PromptError: the embeddings are not the prompt's, or there is no text encoder to tell.
        """
        encoders, positions = self._encoders(), len(embeddings)
        if not encoders:
            raise PromptError(
                f"the pipeline has no text encoder by which to check the prompt {prompt[:80]!r}; give one "
                f"Token for each of the {positions} positions of its embeddings"
            )
        encoder = encoders[0]
        if is_standard and positions % CHUNK == 0:
            tokens = encoder.tokens(prompt, at_least=positions // CHUNK)
            if len(tokens) == positions:
                return tokens, ()
            if positions == CHUNK:
                first = encoder.first_tokens(prompt)
                return first, cut_notes(first, tokens)
        read = read_embeddings(encoders, prompt, embeddings, self._device())
        whole = encoder.name(encoder.split(read.ids))
        other = () if read.is_shared else ("the second text encoder's embeddings do not fit this prompt",)
        return read.tokens, (*cut_notes(read.tokens, whole), *other)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Return the scaled mode of the posterior [n, c, h, w], float32 on the CPU.

        Raises:
            ModelError: there is no VAE, or the network cannot be run on an image and a prompt alone.
        """
        check_pass(self.pipeline)
        vae = self._vae()
        if vae is None:
            raise ModelError(
                f"{self.name} has no VAE, so that an image cannot become its latent; set pipeline.vae, or "
                "trace a generation, which needs none"
            )
        return scale_latent(cached_latent(vae, pixels, lambda: self._mode(vae, pixels)), vae.config)

    def _mode(self, vae: Any, pixels: Tensor) -> Tensor:
        try:
            return encode_mode(vae, pixels, self._device())
        finally:
            self._free()

    def encode_prompt(self, prompt: str, image_size: tuple[int, int]) -> Conditioning:
        """Encode the prompt's chunks by every text encoder; SDXL's pooled text is that of the first chunk."""
        try:
            encoded = [encoder.encode(prompt, self._device()) for encoder in self._encoders()]
        finally:
            self._free()
        if len({context.shape[1] for context, _ in encoded}) > 1:
            raise ModelError(
                f"the tokenizers of {self.name} disagree on this prompt; use CLIP's own for both"
            )
        extra: dict[str, Any] = {}
        if self._is_xl():
            pooled = encoded[-1][1]
            extra = {"text_embeds": pooled, "time_ids": self._time_ids(image_size, pooled)}
        if self._has_ip_adapter():
            layers = self.pipeline.unet.encoder_hid_proj.image_projection_layers
            extra["image_embeds"] = [_empty_image_prompt(layer) for layer in layers]
        return Conditioning(self.tokenize(prompt), torch.cat([context for context, _ in encoded], -1), extra)

    def denoise(self, latent: Tensor, timestep: int, conditioning: Conditioning) -> Tensor:
        """Return the UNet's raw prediction for latents [1, c, h, w] at a level of the scheduler's schedule.

        Raises:
            ModelError: the network needs inputs that VXA has not, or other text encoders.
        """
        check_pass(self.pipeline)
        check_context(self.pipeline, self.sites, conditioning.context.shape[-1])
        unet, device, dtype = self.network, self._device(), self.pipeline.unet.dtype
        extra = {name: _move(value, device, dtype) for name, value in conditioning.extra.items()}
        told, level = scale_input(self.pipeline.scheduler, latent, timestep)
        if is_inpainting(self.pipeline):
            told = torch.cat([told, self._all_masked(latent)], 1)
        try:
            prediction: Tensor = unet(
                told.to(device, dtype),
                torch.tensor([level], device=device),
                encoder_hidden_states=conditioning.context.to(device, dtype),
                added_cond_kwargs=extra or None,
                return_dict=False,
                **self._guidance(device, dtype),
            )[0]
        finally:
            self._free()
        return prediction

    def _all_masked(self, latent: Tensor) -> Tensor:
        """Return an inpainting UNet's extra channels [1, 1 + c, h, w]: a mask of ones, and a grey latent.

        Inpainting models are trained with whole masks beside partial ones, never with empty ones; a whole
        mask makes them text-to-image models.
        """
        height, width = (side * self.pixels_per_latent for side in latent.shape[-2:])
        grey = self.encode_image(torch.zeros(1, 3, height, width))
        return torch.cat([torch.ones_like(grey[:, :1]), grey], 1)

    def _guidance(self, device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
        """Return the embedded guidance scale of a distilled UNet, for a scale of 1: no guidance."""
        channels = self._guidance_channels()
        if not channels:
            return {}
        embedded = self.pipeline.get_guidance_scale_embedding(torch.zeros(1), embedding_dim=channels)
        return {"timestep_cond": embedded.to(device, dtype)}

    def _guidance_channels(self) -> int | None:
        channels: int | None = getattr(self.pipeline.unet.config, "time_cond_proj_dim", None)
        return channels

    def _vae(self) -> Any:
        return getattr(self.pipeline, "vae", None)

    def _device(self) -> torch.device:
        # Not the parameters' device: sequential offload keeps them on the meta device.
        device: torch.device = self.pipeline._execution_device
        return device

    def _free(self) -> None:
        """Send the weights of model offloading back, also after a forward that was left early."""
        self.pipeline.maybe_free_model_hooks()

    def _is_xl(self) -> bool:
        return bool(getattr(self.pipeline.unet.config, "addition_embed_type", None) == "text_time")

    def _has_ip_adapter(self) -> bool:
        return bool(getattr(self.pipeline.unet.config, "encoder_hid_dim_type", None) == "ip_image_proj")

    def _encoders(self) -> list[TextEncoder]:
        return text_encoders(self.pipeline, penultimate=self._is_xl())

    def _time_ids(self, image_size: tuple[int, int], pooled: Tensor) -> Tensor:
        """Return SDXL's sizes [1, 6]: original, crop, target; the refiner's [1, 5] end in a score.

        Raises:
            ModelError: the UNet reads neither beside the pooled text, or the text is not pooled.
        """
        unet = self.pipeline.unet
        channels = unet.add_embedding.linear_1.in_features - pooled.shape[-1]
        numbers, rest = divmod(channels, unet.config.addition_time_embed_dim)
        if pooled.ndim != 2 or rest or numbers not in (5, 6):
            raise ModelError(
                f"the UNet of {self.name} and its last text encoder do not fit: SDXL's reads one pooled "
                f"vector and 5 or 6 sizes; {SUPPORTED}"
            )
        ending = (6.0,) if numbers == 5 else image_size
        return torch.tensor([[*image_size, 0, 0, *ending]], dtype=torch.float32)


def _empty_image_prompt(layer: Any) -> Tensor:
    """Return zeros as an IP-Adapter's input, as diffusers does for the unconditional branch.

    One pooled vector [1, 1, channels], or a vision model's 257 positions [1, 1, 257, channels].
    """
    if hasattr(layer, "image_embeds"):
        return torch.zeros(1, 1, layer.image_embeds.in_features)
    if hasattr(layer, "proj_in"):
        return torch.zeros(1, 1, 257, layer.proj_in.in_features)
    first = next(module for module in layer.modules() if isinstance(module, nn.Linear))
    return torch.zeros(1, 1, first.in_features)


def _move(value: Any, device: torch.device, dtype: torch.dtype) -> Any:
    return [item.to(device, dtype) for item in value] if isinstance(value, list) else value.to(device, dtype)
