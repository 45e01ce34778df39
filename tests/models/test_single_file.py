"""Single checkpoints in ldm's and sgm's layout, loaded without a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.checkpoints import family_of, ldm_weights, open_clip_weights, write_checkpoint, write_vocabulary

import vxa
from vxa.errors import ModelError
from vxa.models.single_file import from_single_file

Weights = dict[str, torch.Tensor]


@pytest.fixture(autouse=True)
def _vocabulary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CLIP's vocabulary in a package; whatever asks the network fails."""
    import huggingface_hub.constants

    write_vocabulary(tmp_path / "packages")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def same_parts(one: Any, other: Any) -> bool:
    weights = [each.state_dict() for each in (one, other)]
    return weights[0].keys() == weights[1].keys() and all(
        torch.equal(w, weights[1][n]) for n, w in weights[0].items()
    )


@pytest.mark.parametrize("kind", ["sd", "sdxl"])
def test_a_checkpoint_gives_the_networks_and_maps_that_it_was_made_of(
    kind: str, tmp_path: Path, picture: Any, request: pytest.FixtureRequest
) -> None:
    made = request.getfixturevalue(f"{kind}_model")
    path = write_checkpoint(tmp_path / "m.safetensors", ldm_weights(made.pipeline))
    loaded = from_single_file(str(path), [family_of(made.pipeline)])
    assert loaded.name == str(path)
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        if hasattr(made.pipeline, part):
            assert same_parts(getattr(loaded.pipeline, part), getattr(made.pipeline, part)), part
    maps = [vxa.visualize(each, picture, "red hat, neck", noise="none") for each in (made, loaded)]
    assert maps[0].tokens == maps[1].tokens
    assert np.allclose(maps[0].heat_map("hat").values, maps[1].heat_map("hat").values, atol=1e-6)
    assert loaded.pipeline("hat", num_inference_steps=1, output_type="np", height=16, width=8).images.shape[
        1:3
    ] == (16, 8)


def test_half_precision_averages_and_training_leftovers(sd_pipeline: Any, tmp_path: Path) -> None:
    weights = {name: weight.half() for name, weight in ldm_weights(sd_pipeline).items()}
    weights |= {
        "model_ema.decay": torch.ones(1),
        "betas": torch.ones(3),
        "first_stage_model.loss.logvar": torch.zeros(1),
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(77)[None],
    }
    loaded = from_single_file(
        str(write_checkpoint(tmp_path / "m.safetensors", weights)), [family_of(sd_pipeline)]
    )
    unet = loaded.pipeline.unet
    assert unet.dtype == torch.float32
    assert torch.equal(unet.conv_in.weight, sd_pipeline.unet.conv_in.weight.half().float())


def test_a_checkpoint_is_read_in_the_precision_that_is_asked_for(sdxl_pipeline: Any, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "m.safetensors", ldm_weights(sdxl_pipeline))
    told: list[tuple[int, int]] = []
    loaded = from_single_file(
        str(path), [family_of(sdxl_pipeline)], torch.bfloat16, lambda *counts: told.append(counts)
    ).pipeline
    parts = (loaded.unet, loaded.vae, loaded.text_encoder, loaded.text_encoder_2)
    assert {weight.dtype for part in parts for weight in part.parameters()} == {torch.bfloat16}
    assert torch.equal(loaded.unet.conv_in.weight, sdxl_pipeline.unet.conv_in.weight.bfloat16())
    size = path.stat().st_size
    assert told == sorted(told)
    assert {total for _, total in told} == {size}
    assert 0.5 * size < told[-1][0] <= size  # the header is of some size in a tiny file


def test_open_clips_last_layer_is_left_out(sdxl_pipeline: Any, tmp_path: Path) -> None:
    """SD2's files have 24 layers, of which its UNet reads the last but one."""
    weights = ldm_weights(sdxl_pipeline)
    layers = [name for name in weights if ".embedders.1.model.transformer.resblocks.1." in name]
    weights |= {name.replace("resblocks.1.", "resblocks.2."): weights[name] for name in layers}
    weights["conditioner.embedders.1.model.logit_scale"] = torch.ones(1)
    path = write_checkpoint(tmp_path / "m.safetensors", weights)
    assert same_parts(
        from_single_file(str(path), [family_of(sdxl_pipeline)]).pipeline.unet, sdxl_pipeline.unet
    )


@pytest.mark.parametrize(
    ("extra", "metadata", "expected"),
    [
        ([], {}, ("epsilon", 16)),
        ([], {"modelspec.prediction_type": "v"}, ("v_prediction", 24)),
        (["v_pred", "ztsnr"], {}, ("v_prediction", 24)),
    ],
)
def test_what_the_unet_predicts(
    extra: list[str], metadata: dict[str, str], expected: tuple[str, int], sd_pipeline: Any, tmp_path: Path
) -> None:
    weights = ldm_weights(sd_pipeline) | {name: torch.zeros(1) for name in extra}
    path = write_checkpoint(tmp_path / "m.safetensors", weights, **metadata)
    loaded = from_single_file(str(path), [family_of(sd_pipeline)])
    assert (loaded.prediction_type, loaded.pipeline.unet.config.sample_size) == expected
    assert loaded.pipeline.scheduler.config.rescale_betas_zero_snr == ("ztsnr" in extra)


def test_an_inpainting_checkpoint(sd_pipeline: Any, tmp_path: Path, picture: Any) -> None:
    weights = ldm_weights(sd_pipeline)
    first = "model.diffusion_model.input_blocks.0.0.weight"
    weights[first] = torch.nn.functional.pad(weights[first], (0, 0, 0, 0, 0, 5))
    loaded = from_single_file(
        str(write_checkpoint(tmp_path / "m.safetensors", weights)), [family_of(sd_pipeline)]
    )
    assert type(loaded.pipeline).__name__ == "StableDiffusionInpaintPipeline"
    assert vxa.visualize(loaded, picture, "hat").provenance.notes == (
        "an inpainting model: it is told that the whole image is masked",
    )


def test_a_checkpoint_without_a_vae_can_be_traced(sd_pipeline: Any, tmp_path: Path, picture: Any) -> None:
    weights = {n: w for n, w in ldm_weights(sd_pipeline).items() if not n.startswith("first_stage_model.")}
    loaded = from_single_file(
        str(write_checkpoint(tmp_path / "m.safetensors", weights)), [family_of(sd_pipeline)]
    )
    assert loaded.pipeline.vae is None
    with pytest.raises(ModelError, match=r"m.safetensors has no VAE.*; set pipeline.vae, or trace"):
        vxa.visualize(loaded, picture, "hat")


def drop(start: str) -> Callable[[Weights], object]:
    return lambda weights: [weights.pop(name) for name in list(weights) if name.startswith(start)]


def add(name: str, shape: tuple[int, ...]) -> Callable[[Weights], object]:
    return lambda weights: weights.update({name: torch.zeros(shape)})


UNET = "model.diffusion_model."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            drop("cond_stage_model"),
            "has no text encoder cond_stage_model.transformer, by which tiny reads prompts",
        ),
        (
            drop(f"{UNET}out.2"),
            r"lacks 2 of the weights of tiny's UNet, such as model.diffusion_model.out.2.bias",
        ),
        (drop("first_stage_model.decoder.conv_in"), "lacks 2 of the weights of tiny's VAE"),
        (add(f"{UNET}out.2.bias", (5,)), "has of another shape 1 of the weights of tiny's UNet"),
        (add(f"{UNET}motion.weight", (5,)), "has beyond those 1 of the weights of tiny's UNet"),
        (add("edm_mean", (4,)), "of a family that VXA has no configuration of"),
        (
            add(f"{UNET}input_blocks.0.0.weight", (8, 7, 3, 3)),
            "takes 7 channels, for which VXA has no configuration",
        ),
        (drop(f"{UNET}input_blocks.0"), "no Stable Diffusion checkpoint in ldm's layout"),
    ],
)
def test_an_incomplete_or_foreign_checkpoint_is_told(
    change: Callable[[Weights], object], message: str, sd_pipeline: Any, tmp_path: Path
) -> None:
    weights = ldm_weights(sd_pipeline)
    change(weights)
    path = write_checkpoint(tmp_path / "m.safetensors", weights)
    with pytest.raises(ModelError, match=message):
        from_single_file(str(path), [family_of(sd_pipeline)])


def test_another_width_of_the_context_is_another_family(sd_pipeline: Any, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "m.safetensors", ldm_weights(sd_pipeline))
    with pytest.raises(
        ModelError, match=r"it knows SD1, SD2, SDXL, SDXL refiner\); give its diffusers folder"
    ):
        vxa.load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04" + bytes(30), "is a pickle checkpoint under another name"),
        (b"\x80\x02}q\x00." + bytes(30), "is a pickle checkpoint under another name"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of git-lfs"),
    ],
)
def test_other_files_under_the_name_of_safetensors(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        vxa.load(tmp_path / "m.safetensors")


def test_without_clips_vocabulary_the_missing_part_is_named(
    sd_pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_checkpoint(tmp_path / "m.safetensors", ldm_weights(sd_pipeline))
    monkeypatch.setattr("vxa.models.clip_vocabulary._PACKAGES", ())
    monkeypatch.setattr("vxa.models.clip_vocabulary._CACHED", ())
    with pytest.raises(
        ModelError, match=r"CLIP's vocabulary .* missing.*pip install --no-deps open-clip-torch"
    ):
        from_single_file(str(path), [family_of(sd_pipeline)])


def test_diffusers_own_conversion_gives_the_same(sdxl_pipeline: Any) -> None:
    """Its functions are the reference for names; ours give equal weights."""
    from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint

    encoder, prefix = sdxl_pipeline.text_encoder_2, "conditioner.embedders.1.model."
    converted = convert_open_clip_checkpoint(encoder, open_clip_weights(encoder, prefix), prefix=prefix)
    own = encoder.state_dict()
    assert {name: weight for name, weight in converted.items() if name in own}.keys() == own.keys()
    assert all(torch.equal(converted[name], weight) for name, weight in own.items())
