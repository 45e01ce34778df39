"""Papercut as a checkpoint for AUTOMATIC1111's webui: the weights, their configuration, and CLIP's files.

    write_checkpoint("stable-diffusion-webui/models/Stable-diffusion")

    papercut.safetensors     the one checkpoint, in ldm's layout and half precision
    papercut.yaml            the configuration that the webui reads beside a checkpoint of that name
    papercut-clip/           configuration and tokenizer; the YAML names this folder by its absolute path

The weights are the shipped ones under ldm's names. The checkpoint's metadata holds the default sites chosen
for them. The YAML also names `vxa.models.ldm_widths`, so the webui must have the VXA extension.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from torch import Tensor

from vxa.errors import SettingError
from vxa.io.atomic import move_into_place, temporary_path
from vxa.models import papercut
from vxa.models.ldm.config import MODEL_KEY, SITES_KEY, ldm_config
from vxa.models.ldm.weight_names import rename_weights, unet_names, vae_names, vae_weights
from vxa.papercut.shipped import weights_folder

__all__ = ["write_checkpoint"]

_NAME = "papercut"
_CLIP = f"{_NAME}-clip"
_NEEDS_VXA = (
    "# The webui loads this checkpoint only while the VXA extension is in it and enabled: otherwise its log\n"
    "# says \"No module named 'vxa'\".\n"
)
_CLIP_FILES = ("text_encoder/config.json", *(f"tokenizer/{name}" for name in (
    "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"
)))  # fmt: skip


def write_checkpoint(folder: str | Path) -> Path:
    """Write the checkpoint into `folder`, which is created if missing, and return the checkpoint's path.

    An older export in the folder is replaced; nothing else in it is touched. The checkpoint is moved into
    place last, so that it is never there without its YAML.

    Raises:
        SettingError: the folder cannot be written, is a file, or has a name that the YAML cannot contain.
        ModelError: the package was installed without papercut's weights.
    """
    folder = Path(folder).absolute()
    try:
        _check_folder(folder)
        _export(weights_folder(), folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingError(
            f"cannot write into the folder {str(folder)!r}: {reason}; choose another"
        ) from error
    return folder / f"{_NAME}.safetensors"


def _export(source: Path, folder: Path) -> None:
    new = not folder.exists()
    work = temporary_path(folder)  # the webui ignores hidden folders
    try:
        (work / _CLIP).mkdir(parents=True)
        _write(source, work, folder / _CLIP)
        _move(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if new and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _check_folder(folder: Path) -> None:
    name = repr(str(folder))
    if folder.exists() and not folder.is_dir():
        raise SettingError(f"{name} is a file; choose a folder")
    if (folder / _CLIP).exists() and not (folder / _CLIP).is_dir():
        raise SettingError(f"{str(folder / _CLIP)!r} is a file; choose another folder, or move it away")
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise SettingError(f"the name of the folder {name} is not UTF-8 text; choose another") from None
    if "${" in str(folder):
        raise SettingError(f"the webui would read ${{ in {name} as a variable; choose another folder")


def _write(source: Path, work: Path, clip: Path) -> None:
    """Write all files into the hidden folder `work`; `clip` is the final folder of CLIP's files."""
    from safetensors.torch import save

    for name in _CLIP_FILES:
        shutil.copyfile(source / name, work / _CLIP / Path(name).name)
    unet, vae, schedule = (_config(source, part) for part in ("unet", "vae", "scheduler"))
    settings = {"model": ldm_config(unet, vae, schedule, str(clip))}
    yaml = _NEEDS_VXA + json.dumps(settings, ensure_ascii=False, indent=2) + "\n"
    (work / f"{_NAME}.yaml").write_text(yaml, "utf-8", newline="\n")
    metadata = {"format": "pt", SITES_KEY: papercut.DEFAULT_SITES, MODEL_KEY: _NAME}
    (work / f"{_NAME}.safetensors").write_bytes(save(_weights(source), metadata))


def _move(work: Path, folder: Path) -> None:
    (folder / _CLIP).mkdir(exist_ok=True)
    names = [f"{_CLIP}/{Path(name).name}" for name in _CLIP_FILES]
    for name in (*names, f"{_NAME}.yaml", f"{_NAME}.safetensors"):
        move_into_place(work / name, folder / name)


def _weights(source: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    unet = load_file(source / "unet" / "diffusion_pytorch_model.safetensors")
    vae = load_file(source / "vae" / "diffusion_pytorch_model.safetensors")
    text = load_file(source / "text_encoder" / "model.safetensors")
    weights = {
        **rename_weights(unet, unet_names(_config(source, "unet")), "model.diffusion_model."),
        **rename_weights(vae_weights(vae), vae_names(_config(source, "vae")), "first_stage_model."),
        **rename_weights(text, {}, "cond_stage_model.transformer.text_model."),
    }
    return {name: weight.contiguous() for name, weight in weights.items()}


def _config(source: Path, part: str) -> dict[str, Any]:
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    config: dict[str, Any] = json.loads((source / part / name).read_text("utf-8"))
    return config
