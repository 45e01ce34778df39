"""A diffusers pipeline of the SD1, SD2 or SDXL family as a Model: the only place that imports diffusers.

The pipeline stays as it is (adapters, offloading, attention processors included) and is there as
`.pipeline`; tensors go to its execution device, so that offloaded weights are brought in by its own hooks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from diffusers import DiffusionPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from vxa.attention.site import Site
from vxa.errors import ModelError
from vxa.models.base import Conditioning
from vxa.models.chunks import CHUNK, name_tokens, padded_ids, split_chunks
from vxa.models.unet import unet_sites
from vxa.tokens import Token

_SUPPORTED = "VXA reads UNet models: SD1, SD2 and SDXL"
_PARTS = ("unet", "vae", "scheduler")


def from_pretrained(source: str) -> DiffusersModel:
    """The model in a diffusers folder or on the hub, from safetensors only.

    Raises:
        ModelError: it cannot be loaded, or is no model VXA understands.
    """
    with _as_model_error(source):
        pipeline = DiffusionPipeline.from_pretrained(source, use_safetensors=True)
    return DiffusersModel(pipeline, name=source)


def from_single_file(path: str) -> DiffusersModel:
    """The model in one .safetensors checkpoint of SD1, SD2 or SDXL.

    The checkpoint's configuration, which the file does not hold, comes from the hub or its cache.

    Raises:
        ModelError: the file is broken, no such checkpoint, or its configuration cannot be had.
    """
    with _as_model_error(path):
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
        if not any(name.startswith("model.diffusion_model.") for name in names):
            raise ModelError(
                f"{path} holds no Stable Diffusion checkpoint (no model.diffusion_model); {_SUPPORTED}"
            )
        is_xl = any(name.startswith("conditioner.") for name in names)
        kind = StableDiffusionXLPipeline if is_xl else StableDiffusionPipeline
        pipeline = kind.from_single_file(path)
    return DiffusersModel(pipeline, name=path)


@contextlib.contextmanager
def _as_model_error(source: str) -> Iterator[None]:
    """What loading raises for a source that is no good, said in one line."""
    try:
        yield
    except ModelError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"cannot load a model from {source} (safetensors weights only): {reason}") from error


class DiffusersModel:
    """A StableDiffusionPipeline or StableDiffusionXLPipeline, or one of their shape.

    Args:
        pipeline: the pipeline; it is neither moved nor changed.
        name: what provenance calls it; by default where it was loaded from.
        default_sites: the sites read when none are named. By default those at a quarter of the latent's
            sides (16×16 for SD1 at 512², 32×32 for SDXL at 1024²), where Prompt-to-Prompt and
            Attend-and-Excite find word and place tied best; every site where there are none.

    Raises:
        ModelError: the pipeline is not of this family.
    """

    def __init__(self, pipeline: Any, name: str | None = None, default_sites: str | None = None) -> None:
        _check_pipeline(pipeline)
        self.pipeline = pipeline
        self.name = name or getattr(pipeline, "name_or_path", "") or type(pipeline).__name__
        self.sites = _sites(pipeline)
        if default_sites is None:
            default_sites = "f4" if any(site.factor == 4 for site in self.sites) else "all"
        self.default_sites = default_sites
        factor = max(site.factor for site in self.sites)
        self.multiple = factor * 2 ** (len(pipeline.vae.config.block_out_channels) - 1)
        self.alphas_cumprod: Tensor = pipeline.scheduler.alphas_cumprod.detach().float().cpu()
        self.num_timesteps = len(self.alphas_cumprod)

    @property
    def network(self) -> nn.Module:
        """The UNet."""
        unet: nn.Module = self.pipeline.unet
        return unet

    @property
    def notes(self) -> tuple[str, ...]:
        """Adapters in use."""
        notes = []
        if getattr(self.network, "peft_config", None):
            active: list[str] = self.pipeline.get_active_adapters()
            notes.extend([f"LoRA active: {', '.join(active)}"] if active else [])
        if self._is_ip_adapter():
            notes.append(
                "an IP-Adapter is loaded: only the text part of the attention is shown, and its image prompt is empty"
            )
        return tuple(notes)

    def rows(self, batch: int, guided: bool) -> tuple[int, ...]:
        """The conditional rows: diffusers puts the unconditional ones first."""
        return tuple(range(batch // 2, batch)) if guided else tuple(range(batch))

    def tokenize(self, prompt: str) -> tuple[Token, ...]:
        """One Token for each position of the prompt's context, by the first tokenizer."""
        tokenizer, _ = self._encoders()[0]
        whole = {*tokenizer.get_added_vocab().values(), *tokenizer.all_special_ids}
        return name_tokens(self._chunks(tokenizer, prompt), _specials(tokenizer), _piece_of(tokenizer), whole)

    @torch.no_grad()
    def encode_image(self, pixels: Tensor) -> Tensor:
        """The scaled mode of the posterior [n, c, h, w], float32 on the CPU."""
        vae = self.pipeline.vae
        # SDXL's own VAE overflows in half precision; diffusers' image-to-image pipelines do the same.
        upcast = vae.dtype == torch.float16 and vae.config.force_upcast
        dtype = vae.dtype
        try:
            if upcast:
                vae.to(dtype=torch.float32)
            pixels = pixels.to(self._device(), torch.float32 if upcast else dtype)
            latent: Tensor = vae.encode(pixels).latent_dist.mode().float().cpu()
        finally:
            if upcast:
                vae.to(dtype=dtype)
            self._free()
        mean, deviation = (getattr(vae.config, key, None) for key in ("latents_mean", "latents_std"))
        if mean is not None and deviation is not None:
            latent = (latent - torch.tensor(mean).view(1, -1, 1, 1)) / torch.tensor(deviation).view(
                1, -1, 1, 1
            )
        return latent * float(vae.config.scaling_factor)

    @torch.no_grad()
    def encode_prompt(self, prompt: str, image_size: tuple[int, int]) -> Conditioning:
        """The prompt's chunks through every text encoder, joined; SDXL's pooled text is the first chunk's."""
        try:
            encoded = [self._encode(*encoder, prompt) for encoder in self._encoders()]
        finally:
            self._free()
        if len({context.shape[1] for context, _ in encoded}) > 1:
            raise ModelError(
                f"the tokenizers of {self.name} disagree on this prompt; use a model with CLIP's own"
            )
        context = torch.cat([context for context, _ in encoded], dim=-1)
        extra: dict[str, Any] = {}
        if self._is_xl():
            pooled = encoded[-1][1]
            extra = {"text_embeds": pooled, "time_ids": self._time_ids(image_size, pooled.shape[-1])}
        if self._is_ip_adapter():
            extra["image_embeds"] = self._empty_image_prompt()
        return Conditioning(self.tokenize(prompt), context, extra)

    @torch.no_grad()
    def denoise(self, latent: Tensor, timestep: int, conditioning: Conditioning) -> Tensor:
        """The UNet's raw prediction for latents [1, c, h, w] on the variance-preserving schedule."""
        unet, device = self.network, self._device()
        dtype = next(unet.parameters()).dtype
        extra = {name: _moved(value, device, dtype) for name, value in conditioning.extra.items()}
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
        # Of a pipeline with sequential offload the parameters are on the meta device.
        device: torch.device = self.pipeline._execution_device
        return device

    def _free(self) -> None:
        """Let model offloading send its weights back, also after a forward that was left early."""
        self.pipeline.maybe_free_model_hooks()

    def _is_xl(self) -> bool:
        return bool(self.pipeline.unet.config.addition_embed_type == "text_time")

    def _is_ip_adapter(self) -> bool:
        return bool(self.pipeline.unet.config.encoder_hid_dim_type == "ip_image_proj")

    def _encoders(self) -> list[tuple[Any, Any]]:
        """(tokenizer, text encoder) in the order their contexts are joined; the refiner lacks the first."""
        pipeline = self.pipeline
        pairs = [
            (getattr(pipeline, f"tokenizer{n}", None), getattr(pipeline, f"text_encoder{n}", None))
            for n in ("", "_2")
        ]
        return [
            (tokenizer, encoder)
            for tokenizer, encoder in pairs
            if tokenizer is not None and encoder is not None
        ]

    def _chunks(self, tokenizer: Any, prompt: str) -> list[list[int]]:
        # Textual inversion: a concept of several vectors is several tokens.
        expand = getattr(self.pipeline, "maybe_convert_prompt", None)
        if expand is not None:
            prompt = expand(prompt, tokenizer)
        ids = tokenizer(prompt, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
        return split_chunks(ids, tokenizer.get_vocab().get(",</w>"))

    def _encode(self, tokenizer: Any, encoder: Any, prompt: str) -> tuple[Tensor, Tensor]:
        """Context [1, 77·chunks, channels] and the first chunk's pooled text [1, channels]."""
        chunks = self._chunks(tokenizer, prompt)
        ids = torch.tensor(
            [padded_ids(chunk, *_specials(tokenizer)) for chunk in chunks], device=self._device()
        )
        contexts, pooled = [], []
        for batch in ids.split(8):  # a long prompt has hundreds of chunks
            output = encoder(batch, output_hidden_states=self._is_xl())
            contexts.append(output.hidden_states[-2] if self._is_xl() else output[0])
            pooled.append(output[0])
        context = torch.cat(contexts)
        return context.reshape(1, -1, context.shape[-1]), pooled[0][:1]

    def _time_ids(self, image_size: tuple[int, int], pooled_channels: int) -> Tensor:
        """SDXL's size conditioning [1, 6]: original, crop, target; the refiner's [1, 5] ends in a score."""
        unet = self.pipeline.unet
        numbers = unet.add_embedding.linear_1.in_features - pooled_channels
        score = numbers // unet.config.addition_time_embed_dim == 5
        ending = (6.0,) if score else tuple(map(float, image_size))
        return torch.tensor([[*map(float, image_size), 0.0, 0.0, *ending]])

    def _empty_image_prompt(self) -> list[Tensor]:
        """Zeros [1, 1, …] for each IP-Adapter, as diffusers makes them for the unconditional branch."""
        layers = self.pipeline.unet.encoder_hid_proj.image_projection_layers
        return [torch.zeros(_image_prompt_shape(layer)) for layer in layers]


def _image_prompt_shape(layer: Any) -> tuple[int, ...]:
    """The shape of an IP-Adapter's input: one pooled vector, or a vision model's positions."""
    if hasattr(layer, "image_embeds"):
        return (1, 1, layer.image_embeds.in_features)
    if hasattr(layer, "proj_in"):
        return (1, 1, 257, layer.proj_in.in_features)
    first = next(module for module in layer.modules() if isinstance(module, nn.Linear))
    return (1, 1, first.in_features)


def _moved(value: Any, device: torch.device, dtype: torch.dtype) -> Any:
    return [item.to(device, dtype) for item in value] if isinstance(value, list) else value.to(device, dtype)


def _specials(tokenizer: Any) -> tuple[int, int, int]:
    pad = tokenizer.pad_token_id
    return tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.eos_token_id if pad is None else pad


def _piece_of(tokenizer: Any) -> Any:
    return tokenizer.convert_ids_to_tokens


def _sites(pipeline: Any) -> tuple[Site, ...]:
    sites = unet_sites(pipeline.unet)
    if not sites:
        raise ModelError(f"the UNet of {type(pipeline).__name__} has no cross-attention layers; {_SUPPORTED}")
    return sites


def _check_pipeline(pipeline: Any) -> None:
    kind = type(pipeline).__name__
    if getattr(pipeline, "unet", None) is None:
        raise ModelError(f"{kind} has no UNet (SD3, Flux and other transformers have none); {_SUPPORTED}")
    missing = [part for part in _PARTS if getattr(pipeline, part, None) is None]
    tokenizers = [getattr(pipeline, f"tokenizer{n}", None) for n in ("", "_2")]
    if missing or not any(hasattr(tokenizer, "convert_ids_to_tokens") for tokenizer in tokenizers):
        raise ModelError(f"{kind} lacks {', '.join(missing) or 'a CLIP tokenizer'}; {_SUPPORTED}")
    if getattr(pipeline.scheduler, "alphas_cumprod", None) is None:
        name = type(pipeline.scheduler).__name__
        raise ModelError(f"{kind} has the scheduler {name}, which has no alphas_cumprod; {_SUPPORTED}")
    channels, latent = pipeline.unet.config.in_channels, pipeline.vae.config.latent_channels
    if channels != latent:
        raise ModelError(
            f"the UNet of {kind} takes {channels} channels and its VAE gives {latent}: an inpainting or edit model, "
            "which VXA cannot read yet; use the plain model"
        )
    positions = [
        encoder.config.max_position_embeddings
        for n in ("", "_2")
        if (encoder := getattr(pipeline, f"text_encoder{n}", None))
    ]
    if any(count != CHUNK for count in positions):
        raise ModelError(f"the text encoder of {kind} has {positions} positions, not {CHUNK}; {_SUPPORTED}")
