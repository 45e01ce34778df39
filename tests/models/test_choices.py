"""Models to choose among: what is listed of folders and of the hub's cache, and by which names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from vxa.errors import SettingError
from vxa.models.choices import ModelChoice, cached_models, folder_models, model_choices

UNET_WEIGHT = "model.diffusion_model.input_blocks.0.0.weight"


def write_index(folder: Path, kind: str = "StableDiffusionPipeline", **parts: Any) -> Path:
    folder.mkdir(parents=True)
    unet = {"unet": ["diffusers", "UNet2DConditionModel"]}
    (folder / "model_index.json").write_text(json.dumps({"_class_name": kind, **unet, **parts}))
    (folder / "unet").mkdir()
    save_file({"weight": torch.zeros(1)}, folder / "unet" / "diffusion_pytorch_model.safetensors")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache, which is not there yet."""
    import huggingface_hub.constants

    folder = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    return folder


def test_a_folders_models_are_its_diffusers_folders_and_whole_checkpoints(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    write_index(folder / "b-model")
    write_index(folder / "more" / "c-model")
    write_index(folder / "flux", "FluxPipeline", unet=[None, None])
    save_file({UNET_WEIGHT: torch.zeros(1)}, folder / "a-model.safetensors")
    save_file({"lora_unet.weight": torch.zeros(1)}, folder / "lora.safetensors")
    (folder / "broken.safetensors").write_bytes(b"no header")
    (folder / "old.ckpt").write_bytes(b"a pickle")
    (folder / "list").mkdir()
    (folder / "list" / "model_index.json").write_text("[]")
    (folder / "round").symlink_to(folder)
    found = [str(path.relative_to(folder)) for path in folder_models(folder) if "round" not in path.parts]
    assert found == ["a-model.safetensors", "b-model", "more/c-model"]


def test_a_folder_without_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"there is no folder .*nowhere"):
        folder_models(tmp_path / "nowhere")
    with pytest.raises(SettingError, match=r"holds no model; give one that holds diffusers folders"):
        folder_models(tmp_path)


def test_the_cache_lists_text_to_image_models_that_are_whole(cache: Path) -> None:
    assert cached_models() == []
    for name, kind in (("b--sdxl", "StableDiffusionXLPipeline"), ("a--sd15", "StableDiffusionPipeline"),
                       ("a--inpaint", "StableDiffusionInpaintPipeline")):  # fmt: skip
        write_index(cache / f"models--{name}" / "snapshots" / "0a1b", kind)
    write_index(cache / "models--a--part" / "snapshots" / "0a1b")
    (
        cache / "models--a--part" / "snapshots" / "0a1b" / "unet" / "diffusion_pytorch_model.safetensors"
    ).unlink()
    assert cached_models() == ["a/sd15", "b/sdxl"]
    assert model_choices(["b/sdxl"]) == (
        ModelChoice("b/sdxl", "b/sdxl"),
        ModelChoice("papercut", "papercut"),
        ModelChoice("a/sd15", "a/sd15"),
    )


def test_choices_have_short_names_and_no_two_the_same(tmp_path: Path) -> None:
    one, two = (write_index(tmp_path / parent / "model") for parent in ("one", "two"))
    other = write_index(tmp_path / "one" / "v1.5")
    named = [
        choice.name for choice in model_choices(["papercut", str(one)], [tmp_path / "one", tmp_path / "two"])
    ]
    assert named == ["papercut", str(one), "v1.5", str(two)]
    assert other.name == "v1.5"
