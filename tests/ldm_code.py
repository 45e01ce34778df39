"""Real ldm code to hold the adapter against: the package `ldm` that stable-diffusion-sdkit carries.

It is installed by itself into a folder of the cache, since its own requirements would move ours. What its
modules import for training and for drawing is stood in for while they are imported; every part of a network
is theirs.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

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
    """ldm's modules by the last part of their names; skips the test where they cannot be had."""
    folder = _installed()
    import transformers  # noqa: F401  before the stand-ins, which it would look for in vain

    with _stood_in(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # of a source older than the Python that compiles it
        sys.path.insert(0, str(folder))
        try:
            modules = {name: importlib.import_module(name) for name in MODULES}
        finally:
            sys.path.remove(str(folder))
    return {name.rpartition(".")[2]: module for name, module in modules.items()}


def _installed() -> Path:
    base = os.environ.get("VXA_TEST_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(base) / "vxa-tests"
    folder = cache / REQUIREMENT.replace("==", "-")
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        target = Path(temporary) / "target"
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--retries=1",
            "--target",
            str(target),
        ]
        done = subprocess.run([*command, REQUIREMENT], capture_output=True, text=True, check=False)
        if done.returncode:
            _, _, reason = done.stderr.strip().rpartition("\n")
            pytest.skip(f"pip cannot install {REQUIREMENT}: {reason}")
        with contextlib.suppress(OSError):  # another run was first
            target.rename(folder)
    return folder


@contextlib.contextmanager
def _stood_in() -> Iterator[None]:
    """The stand-ins in sys.modules for this block alone: diffusers asks there for what is installed."""
    before = {name: sys.modules.get(name) for name in STAND_INS}
    for name, content in STAND_INS.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(content)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def load_papercut(ldm: Modules, checkpoint: Path) -> Any:
    """The exported checkpoint, loaded as the webui loads it: made from its YAML, CLIP from its folder's
    configuration, and the weights then put into all of it."""
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
    """transformers 5 has CLIP's text model without the level `text_model` that the layout has."""
    if hasattr(model.cond_stage_model.transformer, "text_model"):
        return weights
    return {name.replace(".transformer.text_model.", ".transformer."): w for name, w in weights.items()}


LEVELS = {"model_channels": 32, "channel_mult": [1, 2], "attention_resolutions": [1, 2], "num_res_blocks": 1}


def tiny_ldm(ldm: Modules, conditioning_key: str = "crossattn", **unet: Any) -> Any:
    """A random LatentDiffusion of two levels, without a text encoder."""
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
    """Two levels, so a latent's side is half of the image's."""
    return {
        "embed_dim": 4,
        "lossconfig": {"target": "torch.nn.Identity"},
        "ddconfig": {
            "double_z": True, "z_channels": 4, "resolution": 16, "in_channels": 3, "out_ch": 3, "ch": 32,
            "ch_mult": [1, 2], "num_res_blocks": 1, "attn_resolutions": [], "dropout": 0.0,
        },
    }  # fmt: skip


def wake(network: nn.Module) -> None:
    """ldm begins with zeros in the last layer of each branch; a test wants every part to count."""
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
