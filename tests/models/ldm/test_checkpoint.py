"""Papercut exported for the webui, as files; test_model.py loads the same into ldm's own networks."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from support import ldm_code
from support.windows import move_as_windows

from vxa.errors import ModelError, SettingError
from vxa.models import papercut
from vxa.models.ldm.checkpoint import write_checkpoint

PARTS = {"papercut.safetensors", "papercut.yaml", "papercut-clip"}


def clip_folder(checkpoint: Path) -> Path:
    from omegaconf import OmegaConf

    settings: Any = OmegaConf.load(checkpoint.with_suffix(".yaml"))
    return Path(settings.model.params.cond_stage_config.params.version)


def listed(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_one_checkpoint_its_yaml_and_its_clip_folder(tmp_path: Path) -> None:
    from safetensors import safe_open
    from transformers import CLIPTokenizer

    checkpoint = write_checkpoint(tmp_path / "models")
    assert listed(tmp_path / "models") == PARTS
    assert list(tmp_path.rglob("*.safetensors")) == [checkpoint], "the webui lists each as a model"
    with safe_open(checkpoint, framework="pt") as file:
        names = set(file.keys())
        assert file.metadata()["vxa.default_sites"] == papercut.DEFAULT_SITES
    assert "while the VXA extension is in it" in checkpoint.with_suffix(".yaml").read_text("utf-8")
    # The webui looks for this name: with it, no text encoder is downloaded.
    assert "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight" in names
    clip = clip_folder(checkpoint)
    assert clip == tmp_path / "models" / "papercut-clip"
    assert len(CLIPTokenizer.from_pretrained(clip)("hat, neck")["input_ids"]) == 5
    assert checkpoint.stat().st_size < 24e6


def test_it_is_written_anew_beside_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "v1-5.safetensors").write_bytes(b"another model")
    (tmp_path / "papercut.yaml").write_text("of an older place")
    monkeypatch.chdir(tmp_path)
    checkpoint = write_checkpoint(".")
    assert listed(tmp_path) == {"v1-5.safetensors", *PARTS}
    assert checkpoint.is_absolute()
    assert clip_folder(checkpoint) == tmp_path / "papercut-clip"


@pytest.mark.parametrize("name", ["with spaces", "日本 #1: 'x' \"y\"", "back\\slash"])
def test_any_folders_name_is_read_back(tmp_path: Path, name: str) -> None:
    assert clip_folder(write_checkpoint(tmp_path / name)) == tmp_path / name / "papercut-clip"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("file", "is a file; choose a folder"),
        ("file/folder", "cannot write into the folder .*ot a directory"),
        ("taken", "papercut-clip' is a file"),
        ("a${b}", "as a variable"),
        ("\udcff", "not UTF-8"),
        ("x" * 300, "cannot write into the folder .*too long"),
    ],
)
def test_a_folder_that_cannot_be_used(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "papercut-clip").write_text("")
    with pytest.raises(SettingError, match=said):
        write_checkpoint(tmp_path / name)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "papercut-clip", "taken"]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    assert write_checkpoint(tmp_path / "models" / "Stable-diffusion").is_file()


def as_of_version_0_1(folder: Path) -> Path:
    """Write a checkpoint, its YAML that of version 0.1 but for the place of CLIP's files."""
    checkpoint = write_checkpoint(folder)
    old = Path(__file__).with_name("exported-0.1.yaml").read_text("utf-8")
    checkpoint.with_suffix(".yaml").write_text(old.replace("FOLDER", folder.as_posix()), "utf-8")
    return checkpoint


def test_an_older_export_says_what_a_new_one_says(tmp_path: Path) -> None:
    from omegaconf import OmegaConf

    new, old = (OmegaConf.load(make(tmp_path / name).with_suffix(".yaml"))
                for name, make in (("new", write_checkpoint), ("old", as_of_version_0_1)))  # fmt: skip
    for each, name in ((new, "new"), (old, "old")):
        assert each.model.params.cond_stage_config.params.version == str(tmp_path / name / "papercut-clip")
        each.model.params.cond_stage_config.params.version = ""
    assert new == old
    module, _, name = old.model.params.unet_config.target.rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))


def test_an_older_export_still_loads(ldm: Any, tmp_path: Path) -> None:
    old = ldm_code.load_papercut(ldm, as_of_version_0_1(tmp_path))
    latent, context = torch.ones(1, 4, 32, 32), torch.ones(1, 77, 128)
    with torch.no_grad():
        predicted = old.apply_model(latent, torch.tensor([100]), context)
    assert predicted.shape == latent.shape
    assert predicted.isfinite().all()


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    (tmp_path / "there").mkdir()
    for folder in (tmp_path / "new", tmp_path / "there"):
        with pytest.raises(SettingError, match=r"cannot write into .*No space left.*choose another"):
            write_checkpoint(folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_a_checkpoint_that_the_webui_has_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = write_checkpoint(tmp_path)
    old.write_bytes(b"old")
    with monkeypatch.context() as context:
        move_as_windows(context, old)
        with pytest.raises(SettingError, match=r"cannot write into .*Access is denied \(.*choose another"):
            write_checkpoint(tmp_path)
    assert listed(tmp_path) == PARTS
    assert old.read_bytes() == b"old"
    move_as_windows(monkeypatch, old, freed=True)
    assert write_checkpoint(tmp_path).stat().st_size > 1e6
    assert b"\r" not in old.with_suffix(".yaml").read_bytes()


def test_without_weights_there_is_nothing_to_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr("vxa.papercut.shipped.WEIGHTS", tmp_path / "nowhere")
    with pytest.raises(ModelError, match="install vxa again"):
        write_checkpoint(tmp_path / "models")
    assert not (tmp_path / "models").exists()
