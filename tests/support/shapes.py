"""Small checkpoints of every shape that the webui supports, with papercut's autoencoder.

Papercut declared as a v-prediction or an inpainting model must give the maps of papercut itself. SD2, SDXL
and its refiner have random weights, in their real topology with fewer channels.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file, save_file

__all__ = ["write_shapes"]

_PARTS = Path(__file__).with_name("random_parts.py")
_UNET = {
    "in_channels": 4, "out_channels": 4, "model_channels": 32, "num_res_blocks": 2, "num_head_channels": 16,
    "use_spatial_transformer": True, "use_linear_in_transformer": True, "legacy": False,
    "use_checkpoint": False,
}  # fmt: skip
_LDM_UNET = "ldm.modules.diffusionmodules.openaimodel.UNetModel"
_SGM_UNET = "sgm.modules.diffusionmodules.openaimodel.UNetModel"
_SD2 = {
    **_UNET, "image_size": 32, "attention_resolutions": [4, 2, 1], "channel_mult": [1, 2, 4, 4],
    "transformer_depth": 1, "context_dim": 32,
}  # fmt: skip
_XL = {
    **_UNET, "num_classes": "sequential", "attention_resolutions": [4, 2],
    "spatial_transformer_attn_type": "softmax",
}  # fmt: skip
_SDXL = {
    **_XL, "adm_in_channels": 32 + 6 * 8, "channel_mult": [1, 2, 4], "transformer_depth": [1, 2, 10],
    "context_dim": 128 + 32,
}  # fmt: skip
_REFINER = {
    **_XL, "adm_in_channels": 32 + 5 * 8, "channel_mult": [1, 2, 4, 4], "transformer_depth": 4,
    "context_dim": [32, 32, 32, 32],
}  # fmt: skip
_OPEN_CLIP = {"arch": "tiny-open-clip", "version": "none", "layer": "penultimate", "freeze": True}


def write_shapes(checkpoint: Path, folder: Path, python: Path) -> None:
    """Write the checkpoints beside papercut's, with the libraries of the webui in `folder`."""
    settings: Any = OmegaConf.to_container(OmegaConf.load(checkpoint.with_suffix(".yaml")))
    weights = load_file(checkpoint)
    _write_v(checkpoint, settings, weights)
    _write_inpainting(checkpoint, settings, weights)
    vae = {name: weight for name, weight in weights.items() if name.startswith("first_stage_model.")}
    text = {
        name.replace("cond_stage_model.", "conditioner.embedders.0."): weight
        for name, weight in weights.items()
        if name.startswith("cond_stage_model.")
    }
    for name, config, parts, more in (
        ("sd2-v", _sd2(settings), _parts(_LDM_UNET, _SD2, "cond_stage_model.model."), {}),
        ("sdxl", _sdxl(settings), _parts(_SGM_UNET, _SDXL, "conditioner.embedders.1.model."), text),
        ("refiner", _refiner(settings), _parts(_SGM_UNET, _REFINER, "conditioner.embedders.0.model."), {}),
    ):
        path = checkpoint.with_name(f"{name}.safetensors")
        _make(path, parts, folder, python)
        _save(path, config, {**load_file(path), **vae, **more})


def _write_v(checkpoint: Path, settings: Any, weights: Mapping[str, torch.Tensor]) -> None:
    changed = _changed(settings, parameterization="v")
    _save(checkpoint.with_name("v-prediction.safetensors"), changed, weights)


def _write_inpainting(checkpoint: Path, settings: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Write papercut with weights of zero for the mask and the masked image: only the shape is new."""
    changed = _changed(settings, conditioning_key="hybrid", finetune_keys=None)
    changed["model"]["target"] = "ldm.models.diffusion.ddpm.LatentInpaintDiffusion"
    changed["model"]["params"]["unet_config"]["params"]["in_channels"] = 9
    first = "model.diffusion_model.input_blocks.0.0.weight"
    wider = torch.nn.functional.pad(weights[first], (0, 0, 0, 0, 0, 5))
    _save(checkpoint.with_name("inpainting.safetensors"), changed, {**weights, first: wider})


def _changed(settings: Any, **params: Any) -> Any:
    """Copy the settings and change parameters of the model."""
    copied = json.loads(json.dumps(settings))
    copied["model"]["params"].update(params)
    return copied


def _parts(unet: str, params: Mapping[str, Any], text: str) -> dict[str, Any]:
    return {
        "model.diffusion_model.": {"target": unet, "params": params},
        text: {"open_clip": "tiny-open-clip"},
    }


def _sd2(settings: Any) -> Any:
    changed = _changed(settings, parameterization="v")
    changed["model"]["params"]["unet_config"] = {"target": _LDM_UNET, "params": _SD2}
    changed["model"]["params"]["cond_stage_config"] = {
        "target": "ldm.modules.encoders.modules.FrozenOpenCLIPEmbedder",
        "params": {**_OPEN_CLIP, "device": "cpu"},
    }
    return changed


def _sdxl(settings: Any) -> Any:
    clip = settings["model"]["params"]["cond_stage_config"]["params"]["version"]
    first = _embedder("txt", "FrozenCLIPEmbedder", version=clip, device="cpu", layer="hidden", layer_idx=3)
    sizes = ("original_size_as_tuple", "crop_coords_top_left", "target_size_as_tuple")
    return _engine(settings, _SDXL, [first, _pooled(), *(_number(name) for name in sizes)])


def _refiner(settings: Any) -> Any:
    numbers = ("original_size_as_tuple", "crop_coords_top_left", "aesthetic_score")
    return _engine(settings, _REFINER, [_pooled(), *(_number(name) for name in numbers)])


def _engine(settings: Any, unet: Mapping[str, Any], embedders: list[Any]) -> Any:
    """Return the settings of sgm's DiffusionEngine with papercut's autoencoder."""
    first_stage = _changed(settings)["model"]["params"]["first_stage_config"]["params"]
    sampling = "sgm.modules.diffusionmodules"
    denoiser = {
        "num_idx": 1000,
        "weighting_config": {"target": f"{sampling}.denoiser_weighting.EpsWeighting"},
        "scaling_config": {"target": f"{sampling}.denoiser_scaling.EpsScaling"},
        "discretization_config": {"target": f"{sampling}.discretizer.LegacyDDPMDiscretization"},
    }
    params = {
        "scale_factor": settings["model"]["params"]["scale_factor"],
        "disable_first_stage_autocast": True,
        "denoiser_config": {"target": f"{sampling}.denoiser.DiscreteDenoiser", "params": denoiser},
        "network_config": {"target": _SGM_UNET, "params": unet},
        "conditioner_config": {
            "target": "sgm.modules.GeneralConditioner", "params": {"emb_models": embedders}
        },
        "first_stage_config": {
            "target": "sgm.models.autoencoder.AutoencoderKLInferenceWrapper", "params": first_stage
        },
    }  # fmt: skip
    return {"model": {"target": "sgm.models.diffusion.DiffusionEngine", "params": params}}


def _embedder(key: str, kind: str, **params: Any) -> dict[str, Any]:
    return {
        "is_trainable": False,
        "input_key": key,
        "target": f"sgm.modules.encoders.modules.{kind}",
        "params": params,
    }


def _pooled() -> dict[str, Any]:
    return _embedder(
        "txt", "FrozenOpenCLIPEmbedder2", **_OPEN_CLIP, device="cpu", always_return_pooled=True, legacy=False
    )


def _number(key: str) -> dict[str, Any]:
    return _embedder(key, "ConcatTimestepEmbedderND", outdim=8)


def _make(path: Path, parts: Mapping[str, Any], folder: Path, python: Path) -> None:
    wanted = path.with_suffix(".json")
    wanted.write_text(json.dumps(parts), "utf-8")
    command = [str(python), str(_PARTS), str(path), str(wanted)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    wanted.unlink()


def _save(path: Path, settings: Any, weights: Mapping[str, torch.Tensor]) -> None:
    save_file({name: weight.contiguous() for name, weight in weights.items()}, path)
    path.with_suffix(".yaml").write_text(json.dumps(settings), "utf-8")
