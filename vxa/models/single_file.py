"""One .safetensors checkpoint of SD1, SD2 or SDXL in ldm's or sgm's layout, as a diffusers pipeline; offline.

The file holds weights alone. The configurations are our own (`vxa.models.families`), and CLIP's vocabulary is
that of an installed package or of the hub's cache. The networks built must have exactly the checkpoint's
weights, by name and shape; what is missing or left over is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from safetensors import safe_open
from torch import nn

from vxa.errors import ModelError
from vxa.models.clip_vocabulary import clip_tokenizer
from vxa.models.diffusers import DiffusersModel
from vxa.models.families import Family, Text, read_families
from vxa.models.ldm.checkpoint_weights import (
    Source,
    find_clip_sources,
    find_open_clip_sources,
    find_sources,
)
from vxa.models.ldm.weight_names import unet_names, vae_names
from vxa.models.loading import catching_bad_models
from vxa.models.pipeline_checks import SUPPORTED
from vxa.models.prediction_type import find_prediction_type
from vxa.models.quiet import quietly
from vxa.models.weight_files import Advance

with quietly("transformers"):
    import diffusers

__all__ = ["from_single_file"]

_UNET, _VAE = "model.diffusion_model.", "first_stage_model."
_FIRST = f"{_UNET}input_blocks.0.0.weight"
_CONTEXT = re.compile(re.escape(_UNET) + r"input_blocks\.\d+\.1\.transformer_blocks\.0\.attn2\.to_k\.weight")
# Weights of a checkpoint that generating needs not: buffers, training's, and open_clip's last layer in SD2.
_UNUSED = re.compile(
    r"(loss|model_ema)\.|.*position_ids$|logit_scale$|attn_mask$|text_projection(\.weight)?$"
)
_LAYER = re.compile(r"transformer\.resblocks\.(\d+)\.")


def from_single_file(
    path: str,
    families: Sequence[Family] | None = None,
    dtype: torch.dtype = torch.float32,
    advance: Advance | None = None,
) -> DiffusersModel:
    """Load the model from one .safetensors checkpoint onto the CPU; nothing is downloaded.

    Args:
        path: the checkpoint.
        families: the families that are known; None for those of the package.
        dtype: the precision of the weights, whatever the file has.
        advance: called with the bytes of the weights that were read, and those of the whole file.

    Raises:
        ModelError: the file is broken, not such a checkpoint, or incomplete, or CLIP's vocabulary is missing.
    """
    _check_content(path)
    known = read_families() if families is None else families
    with (
        catching_bad_models(path),
        quietly("diffusers", "transformers"),
        safe_open(path, framework="pt") as file,
    ):
        checkpoint = _Checkpoint(path, file, dtype, advance)
        pipeline = _build(checkpoint, _family_of(checkpoint, known))
    return DiffusersModel(pipeline, name=path)


def _check_content(path: str) -> None:
    """Raise ModelError for a file whose first bytes are those of something else than safetensors."""
    with Path(path).open("rb") as file:
        start = file.read(16)
    if start.startswith((b"PK\x03\x04", b"\x80")):
        raise ModelError(
            f"{path} is a pickle checkpoint under another name, and a pickle can run any code when it is "
            "read; convert it to .safetensors"
        )
    if start.startswith(b"version https://"):
        raise ModelError(
            f"{path} is a pointer of git-lfs, not the weights themselves; fetch them by: git lfs pull"
        )


class _Checkpoint:
    """Open checkpoint: the shapes of its weights, and the weights of one network after another."""

    def __init__(self, path: str, file: Any, dtype: torch.dtype, advance: Advance | None) -> None:
        self.path, self._file = path, file
        self._dtype, self._advance = dtype, advance
        self._read, self._size = 0, Path(path).stat().st_size
        self.metadata: Mapping[str, str] = file.metadata() or {}
        self.shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118

    def has(self, prefix: str) -> bool:
        """Return whether any weight's name begins with `prefix`."""
        return any(name.startswith(prefix) for name in self.shapes)

    def fill(self, part: str, network: nn.Module, sources: Mapping[str, Source], prefix: str) -> None:
        """Load the network's weights. Raises ModelError unless the checkpoint has exactly these."""
        self._check(part, sources, prefix)
        weights = {own: self._take(source) for own, source in sources.items()}
        network.load_state_dict(weights, assign=True)
        network.eval()

    def _take(self, source: Source) -> torch.Tensor:
        stored = self._file.get_tensor(source.name)
        weight = source.take(stored, self._dtype)
        self._read += weight.numel() * stored.element_size()
        if self._advance is not None:
            self._advance(min(self._read, self._size), self._size)
        return weight

    def _check(self, part: str, sources: Mapping[str, Source], prefix: str) -> None:
        shapes, used = self.shapes, {source.name for source in sources.values()}
        missing = sorted(used - shapes.keys())
        other = [
            each.name for each in sources.values() if each.name in shapes and not each.fits(shapes[each.name])
        ]
        more = [name for name in shapes if name.startswith(prefix) and name not in used]
        more = [name for name in more if not _is_unused(name[len(prefix) :], used)]
        for names, trouble in (
            (missing, "lacks"),
            (other, "has of another shape"),
            (more, "has beyond those"),
        ):
            if names:
                raise ModelError(
                    f"{self.path} {trouble} {len(names)} of the weights of {part}, such as {names[0]}; "
                    "give the checkpoint as it was published, or its diffusers folder"
                )


def _is_unused(name: str, used: set[str]) -> bool:
    """Return whether a weight, named without its prefix, is one that generating needs not."""
    layer = _LAYER.match(name)
    return bool(_UNUSED.match(name)) or bool(
        layer and not any(f"resblocks.{layer[1]}." in each for each in used)
    )


def _family_of(checkpoint: _Checkpoint, families: Sequence[Family]) -> Family:
    if _FIRST not in checkpoint.shapes:
        raise ModelError(f"{checkpoint.path} is no Stable Diffusion checkpoint in ldm's layout; {SUPPORTED}")
    widths = {shape[1] for name, shape in checkpoint.shapes.items() if _CONTEXT.fullmatch(name)}
    family = next((family for family in families if widths == {family.context}), None)
    if family is None or any(name.startswith("edm_") for name in checkpoint.shapes):
        known = ", ".join(family.name for family in families)
        raise ModelError(
            f"{checkpoint.path} is a checkpoint of a family that VXA has no configuration of (it knows "
            f"{known}); give its diffusers folder"
        )
    return family


def _build(checkpoint: _Checkpoint, family: Family) -> Any:
    channels = str(checkpoint.shapes[_FIRST][1])
    if channels not in family.pipelines:
        raise ModelError(
            f"the UNet in {checkpoint.path} takes {channels} channels, for which VXA has no configuration of "
            f"{family.name}; give its diffusers folder"
        )
    texts = [text for text in family.texts if _check_text(checkpoint, family, text)]
    tokenizers = {text.part.replace("text_encoder", "tokenizer"): clip_tokenizer(text.pad) for text in texts}
    unet = _unet(checkpoint, family, int(channels))
    prediction = find_prediction_type(checkpoint.shapes, checkpoint.metadata, family.prediction_type, unet)
    unet.register_to_config(sample_size=family.sizes[prediction])
    pipeline = getattr(diffusers, family.pipelines[channels])(
        unet=unet,
        vae=_vae(checkpoint, family),
        scheduler=_scheduler(checkpoint, family, prediction),
        **{text.part: _text_encoder(checkpoint, family, text) for text in texts},
        **tokenizers,
        **family.options,
    )
    return pipeline


def _unet(checkpoint: _Checkpoint, family: Family, channels: int) -> Any:
    with init_empty_weights():
        unet = diffusers.UNet2DConditionModel(**family.unet, in_channels=channels)
    sources = find_sources(unet, unet_names(unet.config), _UNET)
    checkpoint.fill(f"{family.name}'s UNet", unet, sources, _UNET)
    return unet


def _vae(checkpoint: _Checkpoint, family: Family) -> Any:
    """Return the autoencoder; None for a checkpoint without one, which can be traced."""
    if not checkpoint.has(_VAE):
        return None
    levels = len(family.vae["block_out_channels"])
    with init_empty_weights():
        vae = diffusers.AutoencoderKL(
            **family.vae,
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
        )
    checkpoint.fill(f"{family.name}'s VAE", vae, find_sources(vae, vae_names(vae.config), _VAE), _VAE)
    return vae


def _scheduler(checkpoint: _Checkpoint, family: Family, prediction: str) -> Any:
    settings = {name: value for name, value in family.scheduler.items() if name != "class"}
    if "ztsnr" in checkpoint.shapes:  # a marker of checkpoints trained to zero terminal signal-to-noise ratio
        settings |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    kind = getattr(diffusers, family.scheduler["class"])
    return kind(prediction_type=prediction, **settings)


def _check_text(checkpoint: _Checkpoint, family: Family, text: Text) -> bool:
    """Raise ModelError unless the checkpoint has the text encoder."""
    if not checkpoint.has(text.prefix):
        raise ModelError(
            f"{checkpoint.path} has no text encoder {text.prefix.rstrip('.')}, by which {family.name} reads "
            "prompts; give the whole checkpoint, or a pipeline with text encoders"
        )
    return True


def _text_encoder(checkpoint: _Checkpoint, family: Family, text: Text) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    with init_empty_weights():  # the positions' numbers are a buffer, which is filled
        encoder = (CLIPTextModelWithProjection if text.projected else CLIPTextModel)(
            CLIPTextConfig(**text.config)
        )
    if text.layout == "open_clip":
        sources = find_open_clip_sources(encoder, text.prefix)
    else:  # older files lack the level text_model, as transformers 5 does
        level = "text_model." if checkpoint.has(f"{text.prefix}text_model.") else ""
        sources = find_clip_sources(encoder, text.prefix + level)
    checkpoint.fill(f"{family.name}'s {text.part}", encoder, sources, text.prefix)
    return encoder
