"""Checks of a diffusers pipeline: for the parts that VXA needs, never for the name of a class.

`check_pipeline` holds what a trace needs, where the pipeline itself runs the network. `check_pass` holds what
VXA needs in addition to run the network by itself: every input that the network asks for.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from vxa.attention.sites import Site
from vxa.errors import ModelError
from vxa.models.chunks import CHUNK
from vxa.models.clip import text_encoders

__all__ = ["SUPPORTED", "check_context", "check_layers", "check_pass", "check_pipeline", "is_inpainting"]

SUPPORTED = "VXA reads UNet models: SD1, SD2 and SDXL"

_UNET_PARTS = ("config", "down_blocks", "mid_block", "up_blocks")
_MODEL_PARTS = ("config", "dtype")
_PIPELINE_PARTS = ("_execution_device", "maybe_free_model_hooks")
_GIVEN = ("sample", "timestep", "encoder_hidden_states")


def check_pipeline(pipeline: Any) -> None:
    """Raise ModelError unless the pipeline has Stable Diffusion's UNet, CLIP text and a scheduler."""
    kind, unet = type(pipeline).__name__, getattr(pipeline, "unet", None)
    if unet is None:
        raise ModelError(f"{kind} has no UNet (SD3, Flux and other transformers have none); {SUPPORTED}")
    _check_part(kind, "unet", unet, _UNET_PARTS)
    for name, block in _blocks(unet):
        _check_part(kind, f"unet.{name}", block, ("resnets",))
    for name in ("vae", "text_encoder", "text_encoder_2"):
        if getattr(pipeline, name, None) is not None:
            _check_part(kind, name, getattr(pipeline, name), _MODEL_PARTS)
    absent = [part for part in _PIPELINE_PARTS if not hasattr(pipeline, part)]
    if absent:
        raise ModelError(f"{kind} is no diffusers pipeline: it has no {absent[0]}; give a DiffusionPipeline")
    encoders = text_encoders(pipeline, penultimate=False)
    scheduler = getattr(pipeline, "scheduler", None)
    if not encoders or scheduler is None:
        raise ModelError(f"{kind} lacks a {'scheduler' if encoders else 'text encoder'}; {SUPPORTED}")
    positions = {getattr(text.encoder.config, "max_position_embeddings", None) for text in encoders}
    if positions != {CHUNK}:
        raise ModelError(f"the text encoder of {kind} is not CLIP's, of {CHUNK} positions; {SUPPORTED}")


def _check_part(kind: str, name: str, part: Any, wanted: Sequence[str]) -> None:
    """Raise ModelError unless the part is a torch module with the attributes `wanted`."""
    missing = [each for each in wanted if not hasattr(part, each)]
    if missing or not isinstance(part, nn.Module):
        lack = f"has no {missing[0]}" if missing else "is no torch module"
        cure = "give the network inside it, its .module" if hasattr(part, "module") else SUPPORTED
        raise ModelError(f"the {name} of {kind} is a {type(part).__name__}, which {lack}; {cure}")


def _blocks(unet: Any) -> Iterator[tuple[str, Any]]:
    for part in ("down_blocks", "up_blocks"):
        for place, block in enumerate(getattr(unet, part)):
            yield f"{part}.{place}", block
    if unet.mid_block is not None:
        yield "mid_block", unet.mid_block


def check_layers(name: str, unet: Any, sites: Sequence[Site]) -> None:
    """Raise ModelError unless the sites are all of the UNet's attention, and each is of its kind."""
    if not any(site.kind == "cross" for site in sites):
        raise ModelError(f"the UNet of {name} has no cross-attention layers that VXA knows; {SUPPORTED}")
    for site in sites:
        reads_text = getattr(unet.get_submodule(site.name), "is_cross_attention", site.kind == "cross")
        if reads_text != (site.kind == "cross"):
            raise ModelError(
                f"the layer {site.name} of {name} attends to {'text' if reads_text else 'itself'}, against "
                f"the order of Stable Diffusion's layers; {SUPPORTED}"
            )
    known = tuple({f"{site.name.rpartition('.')[0]}." for site in sites})
    for layer in _attention_layers(unet):
        if not layer.startswith(known):
            raise ModelError(
                f"the UNet of {name} has attention beside its transformer blocks ({layer}): a video model or "
                f"another that VXA cannot read; {SUPPORTED}"
            )


def _attention_layers(unet: Any) -> Iterator[str]:
    for part, block in _blocks(unet):
        for name, module in block.named_modules():
            if all(hasattr(module, each) for each in ("to_q", "to_k", "heads")):
                yield f"{part}.{name}"


def check_pass(pipeline: Any) -> None:
    """Raise ModelError for a network that needs inputs which VXA cannot give; a trace needs none of them."""
    unet, kind = pipeline.unet, type(pipeline).__name__
    needed = _unknown_input(unet)
    if needed:
        raise ModelError(
            f"the UNet of {kind} needs {needed}, which an image and a prompt do not give; trace a generation "
            "of the pipeline instead, or give another model"
        )
    channels, latent = unet.config.in_channels, latent_channels(pipeline)
    if channels != latent and not is_inpainting(pipeline):
        raise ModelError(
            f"the UNet of {kind} takes {channels} channels and its latent has {latent}: an edit, depth or "
            "upscaling model; trace a generation of the pipeline instead, or give the plain model"
        )


def _unknown_input(unet: Any) -> str | None:
    """Return the name of an input that the network needs and VXA has not, if there is one."""
    if getattr(unet, "class_embedding", None) is not None:
        return "class labels"
    config = unet.config
    if getattr(config, "addition_embed_type", None) not in (None, "text_time"):
        return f"{config.addition_embed_type!r} conditions (addition_embed_type)"
    if getattr(config, "encoder_hid_dim_type", None) not in (None, "text_proj", "ip_image_proj"):
        return f"{config.encoder_hid_dim_type!r} conditions (encoder_hid_dim_type)"
    for name, parameter in inspect.signature(unet.forward).parameters.items():
        required = parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        )
        if required and name not in _GIVEN:
            return str(name)
    return None


def is_inpainting(pipeline: Any) -> bool:
    """Return whether the UNet reads a mask and a masked image beside the latent."""
    return bool(pipeline.unet.config.in_channels == 2 * latent_channels(pipeline) + 1)


def latent_channels(pipeline: Any) -> int:
    """Return the number of a latent's channels: the VAE's, or the UNet's output where there is no VAE."""
    vae = getattr(pipeline, "vae", None)
    return int(pipeline.unet.config.out_channels if vae is None else vae.config.latent_channels)


def check_context(pipeline: Any, sites: Sequence[Site], channels: int) -> None:
    """Raise ModelError unless an encoded prompt has the `channels` that the UNet's layers read."""
    unet = pipeline.unet
    layer = unet.get_submodule(next(site.name for site in sites if site.kind == "cross"))
    projected = getattr(unet.config, "encoder_hid_dim_type", None) == "text_proj"
    wanted = unet.config.encoder_hid_dim if projected else getattr(layer.to_k, "in_features", channels)
    if channels != wanted:
        raise ModelError(
            f"the text encoders of {type(pipeline).__name__} give {channels} channels and its UNet reads "
            f"{wanted}: they are not of one model; give the text encoders that the UNet was trained with"
        )
