"""Attention of an image and a prompt, from one denoising pass.

    maps = visualize("papercut", "figure.png", "hat, neck")
    maps.heat_map("hat").mask()

The image is encoded to a latent, which gets the noise of the timestep or stays clean (as in the original
extension). The model runs once on it with the prompt, without guidance. The queries and keys of the chosen
attention layers (sites) are kept, and the pass stops after the last of them.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vxa.attention.recording import record
from vxa.attention.records import GraphRecord, SiteRecord
from vxa.attention.sites import SelfAttentionSpec, Site, SiteSpec, watched_sites
from vxa.errors import PromptError, RecordingError, SettingError
from vxa.io.images import ImageSource, image_name, read_image
from vxa.maps.attention_maps import AttentionMaps, Provenance
from vxa.models import load
from vxa.models.protocol import Conditioning, Model
from vxa.tracing.settings import NOISES, Noise, PassSettings
from vxa.version import versions


def visualize(
    source: object,
    image: ImageSource,
    prompt: str,
    timestep: int = PassSettings.timestep,
    noise: Noise = PassSettings.noise,
    seed: int = PassSettings.seed,
    sites: SiteSpec = None,
    max_side: int = PassSettings.max_side,
    self_attention: SelfAttentionSpec = False,
    grad: bool = False,
) -> AttentionMaps:
    """Return the attention maps of `image` for `prompt`, from one pass of a model.

    Args:
        source: a model, or what `vxa.load` takes: a name, a path, a hub id, a pipeline.
        image: a path, a PIL image or an array, of any size.
        prompt: a text of any length; more than 75 tokens are encoded in chunks.
        timestep: the noise level passed to the model, 0 … model.num_timesteps - 1.
        noise: "none" passes the clean latent; "matched" adds the noise of the timestep.
        seed: the seed of that noise.
        sites: the cross-attention sites to record, in the grammar of `vxa.attention.sites`. None records all
            of them, and heat maps read the model's default sites unless others are named.
        max_side: the image is scaled down to at most this many pixels on its longer side, never up.
        self_attention: record it too, for `AttentionMaps.heat_map(refine=True)`: True, or the
            self-attention sites to record, in the same grammar.
        grad: keep the attention's graph on the model's device, for `AttentionMaps.tensor`: it leads back to
            every weight of the text encoder and the network that requires a gradient.

    Raises:
        ModelError: the source is no model.
        ImageError, PromptError, SettingError, SiteError: an argument is invalid.
        RecordingError: the pass could not be recorded faithfully.
    """
    model = load(source)
    timestep, seed, max_side = _check_settings(model, timestep, noise, seed, max_side)
    check_prompt(model, prompt)
    pixels, image_size, extent = prepare(read_image(image), max_side, model.multiple)
    with torch.no_grad():
        latent = model.encode_image(pixels)
    latent_size = (latent.shape[-2], latent.shape[-1])
    _check_finite(latent)
    watched = watched_sites(model.sites, sites, latent_size, self_attention)
    with torch.set_grad_enabled(grad):
        conditioning = model.encode_prompt(prompt, (pixels.shape[-2], pixels.shape[-1]))
        noised = (
            add_noise(latent, float(model.alphas_cumprod[timestep]), seed) if noise == "matched" else latent
        )
        records = _record(model, noised, timestep, conditioning, watched, grad)
    if grad and not any(isinstance(each, GraphRecord) and each.has_graph for each in records.values()):
        raise SettingError(
            "grad=True found no weight that requires a gradient, so the maps have no graph; call "
            "requires_grad_() on what the loss shall reach, the network or the text encoder"
        )
    return AttentionMaps(
        sites=tuple(site for site in watched if site.kind == "cross"),
        tokens=conditioning.tokens,
        image_size=image_size,
        extent=extent,
        latent_size=latent_size,
        provenance=Provenance(
            model.name, prompt, timestep, noise, seed, versions(), model.notes, image=image_name(image)
        ),
        records=records,
        default_sites=model.default_sites if sites is None else "all",
        self_sites=tuple(site for site in watched if site.kind == "self"),
    )


def _record(
    model: Model,
    latent: Tensor,
    timestep: int,
    conditioning: Conditioning,
    sites: Sequence[Site],
    grad: bool,
) -> dict[str, SiteRecord]:
    size = (latent.shape[-2], latent.shape[-1])
    rows = tuple(range(len(latent)))
    with record(model.network, sites, latent_size=size, rows=rows, stop_early=True, grad=grad) as recording:
        model.denoise(latent, timestep, conditioning)
    records = recording.records()
    for site in sites:
        site_record = records[site.name]
        if site.kind == "cross" and site_record.token_count != len(conditioning.tokens):
            raise RecordingError(
                f"site {site.name} attended to {site_record.token_count} tokens, and the prompt has "
                f"{len(conditioning.tokens)}: something added tokens to what it reads; unload what does that"
            )
    return records


def _check_finite(latent: Tensor) -> None:
    """Raise RecordingError for a latent with NaN or infinity."""
    if not latent.isfinite().all():
        raise RecordingError(
            "the image's latent is not finite (NaN or infinity): its VAE overflows in half precision, or its "
            "weights are broken; load the model in float32, or its VAE alone"
        )


def add_noise(latent: Tensor, alpha_cumprod: float, seed: int) -> Tensor:
    """Return x_t = √ᾱ_t z + √(1 - ᾱ_t) ε (Ho et al. 2020, eq. 4); ε is the same on every device."""
    generator = torch.Generator("cpu").manual_seed(seed)
    epsilon = torch.randn(latent.shape, generator=generator)
    signal, noise = math.sqrt(alpha_cumprod), math.sqrt(1 - alpha_cumprod)
    return signal * latent + noise * epsilon


def prepare(
    image: Image.Image, max_side: int, multiple: int
) -> tuple[Tensor, tuple[int, int], tuple[float, float]]:
    """Return pixels [1, 3, H, W] in [-1, 1], the image's (height, width), and its fraction of H and W."""
    width, height = image.size
    scale = min(1.0, max_side / max(width, height))
    inner = (max(1, round(height * scale)), max(1, round(width * scale)))
    if inner != (height, width):
        image = image.resize((inner[1], inner[0]), Image.Resampling.LANCZOS)
    array = np.asarray(image, dtype=np.float32) / 127.5 - 1
    padding = [(0, -side % multiple) for side in inner]
    array = np.pad(array, [*padding, (0, 0)], mode="edge")
    extent = (inner[0] / array.shape[0], inner[1] / array.shape[1])
    return torch.from_numpy(array).permute(2, 0, 1)[None].contiguous(), (height, width), extent


def _check_settings(
    model: Model, timestep: int, noise: str, seed: int, max_side: int
) -> tuple[int, int, int]:
    """Return timestep, seed and max_side as int. Raises SettingError for an invalid setting."""
    if noise not in NOISES:
        raise SettingError(f"noise {noise!r} is unknown; use one of: {', '.join(NOISES)}")
    return (
        whole_number("timestep", timestep, 0, model.num_timesteps - 1),
        whole_number("seed", seed, 0, 2**63 - 1),
        whole_number("max_side", max_side, 1, 2**16),
    )


def whole_number(name: str, value: Any, low: int, high: int) -> int:
    """Return the value as an int. Raises SettingError unless it is a whole number in the range."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or not low <= number <= high:
        raise SettingError(f"{name} {value!r} is not allowed; give a whole number from {low} to {high}")
    return number


def check_prompt(model: Model, prompt: str) -> None:
    """Raise PromptError if the prompt is not a string or has no words."""
    if not isinstance(prompt, str):
        raise PromptError(f'the prompt is a {type(prompt).__name__}; give text such as "hat, neck"')
    if not prompt.strip() or all(token.special for token in model.tokenize(prompt)):
        raise PromptError(f'the prompt {prompt[:80]!r} has no words; describe the image, as in "hat, neck"')
