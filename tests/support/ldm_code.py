"""Real ldm code that the adapter is tested with: the package `ldm` from stable-diffusion-sdkit.

Stand-ins replace the packages that its modules import for training and for drawing; every part of a network
is its own.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from support.packages import importable

Modules = dict[str, ModuleType]

REQUIREMENT = "stable-diffusion-sdkit==2.1.5"
MODULES = (
    "ldm.util",
    "ldm.models.diffusion.ddpm",
    "ldm.models.autoencoder",
    "ldm.modules.encoders.modules",
    "ldm.modules.diffusionmodules.openaimodel",
)
STAND_INS: dict[str, dict[str, Any]] = {
    "pytorch_lightning": {"LightningModule": nn.Module},
    "pytorch_lightning.utilities": {},
    "pytorch_lightning.utilities.distributed": {"rank_zero_only": lambda function: function},
    "torchvision": {},
    "torchvision.utils": {"make_grid": None},
    "open_clip": {},
}


def load() -> Modules:
    """Import ldm's modules; return them by the last part of their names. Raises packages.CannotInstall."""
    import transformers  # noqa: F401  before the stand-ins, since it tests for the real packages

    with importable(REQUIREMENT, STAND_INS), contextlib.redirect_stdout(io.StringIO()):
        modules = {name: importlib.import_module(name) for name in MODULES}
    return {name.rpartition(".")[2]: module for name, module in modules.items()}


def load_papercut(ldm: Modules, checkpoint: Path) -> Any:
    """Load the exported checkpoint as the webui does.

    The model is made from its YAML, CLIP from the configuration in its folder; then the weights are loaded.
    """
    from omegaconf import OmegaConf
    from safetensors.torch import load_file
    from transformers import CLIPTextConfig, CLIPTextModel

    class FromConfiguration(CLIPTextModel):
        @classmethod
        def from_pretrained(cls, folder: str) -> CLIPTextModel:
            return CLIPTextModel(CLIPTextConfig.from_pretrained(folder)).float()

    config = OmegaConf.load(checkpoint.with_suffix(".yaml"))
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setattr(ldm["modules"], "CLIPTextModel", FromConfiguration)
        model = ldm["util"].instantiate_from_config(config.model).eval()
    weights = load_file(checkpoint)
    missing, unexpected = model.load_state_dict(_for_these_transformers(weights, model), strict=False)
    assert not unexpected
    schedule = {name for name, _ in model.named_buffers(recurse=False)}
    assert {name for name in missing if not name.endswith("position_ids")} <= schedule
    model.cond_stage_model.device = "cpu"
    return model


def _for_these_transformers(weights: dict[str, torch.Tensor], model: Any) -> dict[str, torch.Tensor]:
    """Rename the text encoder's weights for transformers 5, whose CLIP lacks the level `text_model`."""
    if hasattr(model.cond_stage_model.transformer, "text_model"):
        return weights
    return {name.replace(".transformer.text_model.", ".transformer."): w for name, w in weights.items()}


LEVELS = {"model_channels": 32, "channel_mult": [1, 2], "attention_resolutions": [1, 2], "num_res_blocks": 1}


def tiny_ldm(ldm: Modules, conditioning_key: str = "crossattn", **unet: Any) -> Any:
    """Build a random LatentDiffusion of two levels, without a text encoder."""
    torch.manual_seed(0)
    unet = {
        "target": "ldm.modules.diffusionmodules.openaimodel.UNetModel",
        "params": {
            "image_size": 8, "in_channels": 4, "out_channels": 4, "num_heads": 2, "legacy": False,
            "use_spatial_transformer": True, "context_dim": 16, "use_checkpoint": False, **LEVELS, **unet,
        },
    }  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        model = ldm["ddpm"].LatentDiffusion(
            first_stage_config={"target": "ldm.models.autoencoder.AutoencoderKL", "params": tiny_vae()},
            cond_stage_config="__is_unconditional__",
            force_null_conditioning=True,
            unet_config=unet,
            conditioning_key=conditioning_key,
            timesteps=1000,
            linear_start=0.00085,
            linear_end=0.012,
            scale_factor=0.5,
            use_ema=False,
        )
    wake(model)
    return model.eval()


def tiny_vae() -> dict[str, Any]:
    """Return the VAE's parameters: two levels, so that a latent's side is half of the image's."""
    return {
        "embed_dim": 4,
        "lossconfig": {"target": "torch.nn.Identity"},
        "ddconfig": {
            "double_z": True, "z_channels": 4, "resolution": 16, "in_channels": 3, "out_ch": 3, "ch": 32,
            "ch_mult": [1, 2], "num_res_blocks": 1, "attn_resolutions": [], "dropout": 0.0,
        },
    }  # fmt: skip


def wake(network: nn.Module) -> None:
    """Set the last layer of each branch, zero in a new ldm model, to noise, so that it has an effect."""
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
