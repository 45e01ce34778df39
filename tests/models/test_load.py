import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import vxa
from vxa.errors import ModelError


def test_a_folder_loads_and_gives_the_same_maps(sd_model: Any, tmp_path: Path, picture: Any) -> None:
    sd_model.pipeline.save_pretrained(tmp_path / "model", safe_serialization=True)
    loaded = vxa.load(tmp_path / "model")
    assert loaded.name == str(tmp_path / "model")
    assert loaded.sites == sd_model.sites
    before = vxa.visualize(sd_model, picture, "hat").heat_map("hat")
    after = vxa.visualize(loaded, picture, "hat").heat_map("hat")
    assert np.allclose(before.values, after.values, atol=1e-6)


def test_an_sdxl_folder_loads(sdxl_pipeline: Any, tmp_path: Path) -> None:
    sdxl_pipeline.save_pretrained(tmp_path, safe_serialization=True)
    assert vxa.load(str(tmp_path)).sites[-1].label == "OUT02.1"


def test_a_pipeline_or_model_is_taken_as_it_is(sd_pipeline: Any) -> None:
    model = vxa.load(sd_pipeline)
    assert model.pipeline is sd_pipeline  # type: ignore[attr-defined]
    assert model.name == "StableDiffusionPipeline"
    assert vxa.load(model) is model


@pytest.mark.parametrize("name", ["m.ckpt", "m.pt", "folder/m.BIN", "m.pth"])
def test_a_pickle_checkpoint_is_refused_unread(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"cos\nsystem\n")
    with pytest.raises(ModelError, match=r"pickle checkpoint.*convert it to .safetensors"):
        vxa.load(path)


@pytest.mark.parametrize("variant", ["fp16", "bf16"])
def test_a_folder_of_one_variant_loads(variant: str, sd_model: Any, tmp_path: Path, picture: Any) -> None:
    sd_model.pipeline.save_pretrained(tmp_path, variant=variant)
    assert not [*tmp_path.rglob("model.safetensors")]
    loaded = vxa.load(tmp_path)
    assert loaded.pipeline.unet.dtype == torch.float32  # type: ignore[attr-defined]
    before, after = (vxa.visualize(each, picture, "hat").heat_map("hat") for each in (sd_model, loaded))
    assert np.allclose(before.values, after.values, atol=1e-6)


@pytest.mark.parametrize("variant", [None, "fp16"])
@pytest.mark.parametrize("dtype", ["fp32", "bf16", torch.bfloat16])
def test_a_folder_is_read_in_the_precision_that_is_asked_for(
    variant: str | None, dtype: Any, sd_pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import DiffusionPipeline

    sd_pipeline.to(torch.float16 if variant else torch.float32)
    sd_pipeline.save_pretrained(tmp_path, variant=variant)
    moved: list[Any] = []
    monkeypatch.setattr(DiffusionPipeline, "to", lambda self, *where: moved.append(where))
    loaded = vxa.load(tmp_path, dtype=dtype).pipeline  # type: ignore[attr-defined]
    wanted = torch.float32 if dtype == "fp32" else torch.bfloat16
    assert {part.dtype for part in (loaded.unet, loaded.vae, loaded.text_encoder)} == {wanted}
    assert moved == [(torch.device("cpu"),)]  # nothing is converted once it is read


def test_loading_tells_how_far_it_is(sd_pipeline: Any, tmp_path: Path) -> None:
    sd_pipeline.save_pretrained(tmp_path, variant="fp16")
    size = sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors"))
    sd_pipeline.unet.save_pretrained(tmp_path / "unet", variant="non_ema")  # not what is loaded
    told: list[tuple[int, int]] = []
    vxa.load(tmp_path, advance=lambda *counts: told.append(counts))
    assert told[0] == (0, size)
    assert told[-1] == (size, size)
    assert told == sorted(told)


class _Enough(Exception):
    """Raised to end the work."""


def test_loading_can_be_ended_from_within(sd_pipeline: Any, tmp_path: Path) -> None:
    sd_pipeline.save_pretrained(tmp_path)

    def stop(done: int, total: int) -> None:
        raise _Enough

    with pytest.raises(_Enough):
        vxa.load(tmp_path, advance=stop)


def test_a_variant_of_one_part_stands_in_for_its_plain_weights(sd_pipeline: Any, tmp_path: Path) -> None:
    sd_pipeline.save_pretrained(tmp_path)
    unet = tmp_path / "unet" / "diffusion_pytorch_model.safetensors"
    unet.rename(unet.with_name("diffusion_pytorch_model.ema.safetensors"))
    weight = vxa.load(tmp_path).network.conv_in.weight  # type: ignore[union-attr]
    assert torch.equal(weight, sd_pipeline.unet.conv_in.weight)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (["unet"], r"the unet of .* has only pickled weights \(unet/diffusion_pytorch_model\.bin\)"),
        (["text_encoder"], "the text_encoder of .* has only pickled weights"),
        (["unet", "vae", "text_encoder"], "unet.* have only pickled weights"),
    ],
)
def test_a_folder_with_pickled_weights_is_refused(
    parts: list[str], message: str, sd_pipeline: Any, tmp_path: Path
) -> None:
    sd_pipeline.save_pretrained(tmp_path)
    for part in parts:
        (weights,) = (tmp_path / part).glob("*.safetensors")
        weights.unlink()
        stem = "pytorch_model" if part == "text_encoder" else "diffusion_pytorch_model"
        torch.save(getattr(sd_pipeline, part).state_dict(), tmp_path / part / f"{stem}.bin")
    with pytest.raises(ModelError, match=message + ".*run any code.*convert it to safetensors"):
        vxa.load(tmp_path)


def test_a_folder_of_a_transformer_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    index = {"_class_name": "FluxPipeline", "transformer": ["diffusers", "FluxTransformer2DModel"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="is a FluxPipeline without a UNet"):
        vxa.load(tmp_path)


def test_a_class_is_told_apart_from_its_objects() -> None:
    from diffusers import StableDiffusionPipeline

    with pytest.raises(ModelError, match="the class StableDiffusionPipeline is not a model; give an object"):
        vxa.load(StableDiffusionPipeline)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "there is no model at 'nowhere'; give \"papercut\", a diffusers folder"),
        (" ", "the model's name is empty"),
        ("./no/folder", "there is no model at"),
        ("/no/file.safetensors", "there is no model at"),
        ("owner/file.safetensors", "there is no model at"),
        (r"C:\models\sd15", "there is no model at"),
        ("C:/models", "there is no model at"),
        (r"owner\name", "there is no model at"),
        (r"\\server\models\sd15.safetensors", "there is no model at"),
        ("~/no/model", "there is no model at"),
        ("~no-such-user/model", "there is no model at"),
        (r"C:\models\sd15.CKPT", "pickle checkpoint"),
        ("a\0b", "there is no model at"),
        ("x" * 5000, "there is no model at"),
        (None, "a NoneType is not a model"),
        (torch.nn.Linear(1, 1), "a Linear is not a model"),
    ],
)
def test_a_source_that_is_not_there(source: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        vxa.load(source)


def test_files_that_are_no_model(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    with pytest.raises(ModelError, match="holds no diffusers model"):
        vxa.load(tmp_path)
    (tmp_path / "notes.txt").write_text("not a model")
    with pytest.raises(ModelError, match="is not a model"):
        vxa.load(tmp_path / "notes.txt")
    (tmp_path / "broken.safetensors").write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"cannot load a model from .*broken\.safetensors"):
        vxa.load(tmp_path / "broken.safetensors")
    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="no Stable Diffusion checkpoint"):
        vxa.load(tmp_path / "other.safetensors")
    (tmp_path / "model_index.json").write_text("{")
    with pytest.raises(ModelError, match="cannot load a model from"):
        vxa.load(tmp_path)


def test_a_hub_id_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        ModelError, match="no folder or file vxa-no-such-owner/model, and the hub did not give it"
    ):
        vxa.load("vxa-no-such-owner/model")


class _Unreachable(Exception):
    """An error that is no OSError, as HTTP libraries raise."""


@pytest.fixture
def unreachable_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A hub that cannot be reached; the folder is the snapshot in its cache."""
    import huggingface_hub

    def fail(source: str) -> None:
        raise _Unreachable

    def cached(source: str, local_files_only: bool) -> str:
        if source != "owner/cached":
            raise FileNotFoundError
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "list_repo_files", fail)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", cached)
    return tmp_path


def test_a_cached_model_loads_where_the_hub_is_out_of_reach(sd_pipeline: Any, unreachable_hub: Path) -> None:
    sd_pipeline.save_pretrained(unreachable_hub, variant="fp16")
    loaded = vxa.load("owner/cached")
    assert loaded.name == "owner/cached"
    assert torch.equal(loaded.network.conv_in.weight, sd_pipeline.unet.conv_in.weight)  # type: ignore


def test_a_hub_out_of_reach_is_one_sentence(unreachable_hub: Path) -> None:
    with pytest.raises(ModelError, match="no folder or file owner/other, and the hub did not give it"):
        vxa.load("owner/other")
