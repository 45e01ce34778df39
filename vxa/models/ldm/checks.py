"""Checks for a Stable Diffusion model of ldm's kind, by the names of its methods and modules."""

from __future__ import annotations

from typing import Any

from vxa.errors import ModelError

__all__ = ["PARTS", "SUPPORTED", "check_model", "extra_channels", "pixels_of_a_latent"]

SUPPORTED = "VXA reads UNet models: SD1, SD2 and SDXL"
PARTS = ("encode_first_stage", "apply_model", "alphas_cumprod", "first_stage_model", "scale_factor", "model")
_BLOCKS = ("input_blocks", "middle_block", "output_blocks")


def check_model(model: Any) -> None:
    """Raise ModelError unless the object is a UNet model that VXA can run."""
    kind = type(model).__name__
    missing = [part for part in PARTS if getattr(model, part, None) is None]
    if missing:
        raise ModelError(f"{kind} is no model of ldm's or sgm's kind: it has no {', '.join(missing)}")
    network = getattr(model.model, "diffusion_model", None)
    if not all(hasattr(network, part) for part in _BLOCKS):
        raise ModelError(
            f"the network of {kind} is no UNet of input, middle and output blocks (SD3 and Flux have none); "
            f"{SUPPORTED}"
        )
    key, channels = str(getattr(model.model, "conditioning_key", None)), extra_channels(network)
    if "adm" in key or channels not in (0, _latent_channels(network) + 1):
        raise ModelError(
            f"{kind} (conditioned by {key}, {channels} channels beside the latent's) is an edit, depth or "
            "image-variation model, which VXA cannot read yet; use the plain or the inpainting model"
        )


def pixels_of_a_latent(first_stage: Any) -> int:
    """Return the VAE's downsampling factor: image pixels per cell of the latent, along each side.

    Raises:
        ModelError: the VAE is not ldm's.
    """
    levels = getattr(getattr(first_stage, "encoder", None), "down", None)
    if levels is None:
        raise ModelError(f"the VAE is a {type(first_stage).__name__}, not ldm's AutoencoderKL; {SUPPORTED}")
    return int(2 ** sum(hasattr(level, "downsample") for level in levels))


def extra_channels(network: Any) -> int:
    """Return the number of the UNet's input channels beside the latent's: 0, or an inpainting model's 5."""
    return int(network.input_blocks[0][0].weight.shape[1]) - _latent_channels(network)


def _latent_channels(network: Any) -> int:
    return int(network.out[-1].weight.shape[0])
