"""A diffusers pipeline of the SD1, SD2 or SDXL family as a Model.

Only this module and `vxa.training` import diffusers.

The pipeline stays as it is (adapters, offloading and attention processors included) and is available as
`.pipeline`. Tensors go to its execution device, so that its own hooks load offloaded weights.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from textwrap import shorten
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from vxa.errors import ModelError, PromptError
from vxa.models.chunks import CHUNK
from vxa.models.clip import TextEncoder, text_encoders
from vxa.models.embeddings import read_embeddings
from vxa.models.latent_cache import cached_latent
from vxa.models.protocol import Conditioning, pixels_for
from vxa.models.quiet import quietly
from vxa.models.unet import unet_sites, usual_sites
from vxa.tokens import Token, cut_notes

with quietly("transformers"):
    from diffusers import DiffusionPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline

_LIBRARIES = ("diffusers", "transformers")
_SUPPORTED = "VXA reads UNet models: SD1, SD2 and SDXL"
# Raised by diffusers, transformers and safetensors for broken, incomplete and missing models.
_LOADING_ERRORS = (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, SafetensorError)
_IP_ADAPTER = "an IP-Adapter is loaded: only the text part of the attention is shown"
_NO_IMAGE_PROMPT = "the IP-Adapter's image prompt is empty"


def from_pretrained(source: str) -> DiffusersModel:
    """Load the model from a diffusers folder or the hub, from safetensors only.

    Raises:
        ModelError: it cannot be loaded, or is not a model VXA understands.
    """
    libraries = _LIBRARIES if os.path.isdir(source) else ()  # keep a download's progress bars
    with _as_model_error(source), quietly(*libraries):
        pipeline = DiffusionPipeline.from_pretrained(source, use_safetensors=True)
        # Weights saved in half precision load as half in transformers 5, as float32 in diffusers: use one.
        pipeline.to(torch.float32)
    return DiffusersModel(pipeline, name=source)


def from_single_file(path: str) -> DiffusersModel:
    """Load the model from one .safetensors checkpoint of SD1, SD2 or SDXL.

    The file does not contain the model's configuration; it comes from the hub or its cache.

    Raises:
        ModelError: the file is broken or not such a checkpoint, or its configuration is not available.
    """
    with _as_model_error(path):
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
        if not any(name.startswith("model.diffusion_model.") for name in names):
            raise ModelError(f"{path} is no Stable Diffusion checkpoint in ldm's layout; {_SUPPORTED}")
        is_xl = any(name.startswith("conditioner.") for name in names)
        kind = StableDiffusionXLPipeline if is_xl else StableDiffusionPipeline
        pipeline = kind.from_single_file(path)
    return DiffusersModel(pipeline, name=path)


@contextlib.contextmanager
def _as_model_error(source: str) -> Iterator[None]:
    """Turn the errors of loading a bad source into a ModelError of one line."""
    try:
        yield
    except ModelError:
        raise
    except _LOADING_ERRORS as error:
        if not os.path.exists(source):
            raise ModelError(
                f"there is no folder or file {source}, and the hub did not give it; check the name, or give "
                "the path of a model on this machine"
            ) from error
        reason = shorten(" ".join(str(error).split()), 200, placeholder=" …")
        raise ModelError(
            f"cannot load a model from {source} (from safetensors weights only): {reason}; "
            "check the path, or save it again with diffusers"
        ) from error


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
        _check_pipeline(pipeline)
        self.pipeline = pipeline
        self.name = name or getattr(pipeline, "name_or_path", None) or type(pipeline).__name__
        self.sites = unet_sites(pipeline.unet)
        if not self.sites:
            raise ModelError(f"the UNet of {self.name} has no cross-attention layers; {_SUPPORTED}")
        self.default_sites = default_sites or usual_sites(self.sites)
        self.multiple = max(site.factor for site in self.sites) * 2 ** (
            len(pipeline.vae.config.block_out_channels) - 1
        )
        self.alphas_cumprod: Tensor = pipeline.scheduler.alphas_cumprod.detach().float().cpu()
        self.num_timesteps = len(self.alphas_cumprod)

    @property
    def network(self) -> nn.Module:
        """The UNet."""
        unet: nn.Module = self.pipeline.unet
        return unet

    @property
    def notes(self) -> tuple[str, ...]:
        """Adapters in use in passes of VXA's own."""
        return (*self.pipeline_notes, *([_NO_IMAGE_PROMPT] if self._has_ip_adapter() else ()))

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
    def prediction_type(self) -> str:
        """Quantity that the UNet predicts."""
        return str(self.pipeline.scheduler.config.get("prediction_type", "epsilon"))

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
        """Return the scaled mode of the posterior [n, c, h, w], float32 on the CPU."""
        vae = self.pipeline.vae
        return _scale(cached_latent(vae, pixels, lambda: self._mode(pixels)), vae.config)

    @torch.no_grad()
    def _mode(self, pixels: Tensor) -> Tensor:
        """Return the mode of the posterior, float32 on the CPU."""
        vae = self.pipeline.vae
        dtype = vae.dtype
        # SDXL's own VAE overflows in half precision; diffusers' image-to-image pipelines upcast it too.
        upcast = dtype == torch.float16 and vae.config.force_upcast
        try:
            if upcast:
                vae.to(dtype=torch.float32)
            pixels = pixels_for(self._device(), pixels, torch.float32 if upcast else dtype)
            mode: Tensor = vae.encode(pixels).latent_dist.mode().float().cpu()
        finally:
            if upcast:
                vae.to(dtype=dtype)
            self._free()
        return mode

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
            extra = {"text_embeds": pooled, "time_ids": self._time_ids(image_size, pooled.shape[-1])}
        if self._has_ip_adapter():
            layers = self.pipeline.unet.encoder_hid_proj.image_projection_layers
            extra["image_embeds"] = [_empty_image_prompt(layer) for layer in layers]
        return Conditioning(self.tokenize(prompt), torch.cat([context for context, _ in encoded], -1), extra)

    def denoise(self, latent: Tensor, timestep: int, conditioning: Conditioning) -> Tensor:
        """Return the UNet's raw prediction for latents [1, c, h, w] on the variance-preserving schedule."""
        unet, device, dtype = self.network, self._device(), self.pipeline.unet.dtype
        extra = {name: _move(value, device, dtype) for name, value in conditioning.extra.items()}
        try:
            prediction: Tensor = unet(
                latent.to(device, dtype),
                torch.tensor([timestep], device=device),
                encoder_hidden_states=conditioning.context.to(device, dtype),
                added_cond_kwargs=extra or None,
                return_dict=False,
            )[0]
        finally:
            self._free()
        return prediction

    def _device(self) -> torch.device:
        # Not the parameters' device: sequential offload keeps them on the meta device.
        device: torch.device = self.pipeline._execution_device
        return device

    def _free(self) -> None:
        """Send the weights of model offloading back, also after a forward that was left early."""
        self.pipeline.maybe_free_model_hooks()

    def _is_xl(self) -> bool:
        return bool(self.pipeline.unet.config.addition_embed_type == "text_time")

    def _has_ip_adapter(self) -> bool:
        return bool(self.pipeline.unet.config.encoder_hid_dim_type == "ip_image_proj")

    def _encoders(self) -> list[TextEncoder]:
        return text_encoders(self.pipeline, penultimate=self._is_xl())

    def _time_ids(self, image_size: tuple[int, int], pooled_channels: int) -> Tensor:
        """Return SDXL's sizes [1, 6]: original, crop, target; the refiner's [1, 5] end in a score."""
        unet = self.pipeline.unet
        numbers = (unet.add_embedding.linear_1.in_features - pooled_channels) // (
            unet.config.addition_time_embed_dim
        )
        ending = (6.0,) if numbers == 5 else image_size
        return torch.tensor([[*image_size, 0, 0, *ending]], dtype=torch.float32)


def _scale(latent: Tensor, config: Any) -> Tensor:
    """Return the latent on the UNet's scale; some SDXL VAEs have a mean and deviation for each channel."""
    mean, deviation = (getattr(config, f"latents_{name}", None) for name in ("mean", "std"))
    if mean is not None and deviation is not None:
        latent = (latent - torch.tensor(mean).view(1, -1, 1, 1)) / torch.tensor(deviation).view(1, -1, 1, 1)
    return latent * float(config.scaling_factor)


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


def _check_pipeline(pipeline: Any) -> None:
    """Raise ModelError unless the pipeline is a UNet model with CLIP text that VXA can run."""
    kind = type(pipeline).__name__
    if getattr(pipeline, "unet", None) is None:
        raise ModelError(f"{kind} has no UNet (SD3, Flux and other transformers have none); {_SUPPORTED}")
    missing = [part for part in ("vae", "scheduler") if getattr(pipeline, part, None) is None]
    encoders = text_encoders(pipeline, penultimate=False)
    if missing or not encoders:
        raise ModelError(f"{kind} lacks a {' and a '.join(missing) or 'text encoder'}; {_SUPPORTED}")
    if getattr(pipeline.scheduler, "alphas_cumprod", None) is None:
        name = type(pipeline.scheduler).__name__
        raise ModelError(f"{kind} has the scheduler {name}, which has no alphas_cumprod; {_SUPPORTED}")
    channels, latent = pipeline.unet.config.in_channels, pipeline.vae.config.latent_channels
    if channels != latent:
        raise ModelError(
            f"the UNet of {kind} takes {channels} channels and its VAE gives {latent}: an inpainting or edit "
            "model, which VXA cannot read yet; use the plain model"
        )
    positions = {getattr(text.encoder.config, "max_position_embeddings", None) for text in encoders}
    if positions != {CHUNK}:
        raise ModelError(f"the text encoder of {kind} is not CLIP's, of {CHUNK} positions; {_SUPPORTED}")
