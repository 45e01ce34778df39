"""The families' networks have the published sizes, and weights of the published names."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import init_empty_weights
from support.ldm_code import Modules
from support.tiny_models import make_tokenizer

from vxa.models import single_file
from vxa.models.diffusers import DiffusersModel
from vxa.models.families import Family, read_families
from vxa.models.ldm.checkpoint_weights import find_clip_sources, find_open_clip_sources, find_sources
from vxa.models.ldm.weight_names import unet_names, vae_names
from vxa.models.single_file import _Checkpoint

FAMILIES = {family.name: family for family in read_families()}
by_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)

# Published numbers of parameters: the UNet's, and those of the text encoders.
SIZES = {
    "SD1": (859_520_964, [123_060_480]),
    "SD2": (865_910_724, [340_387_840]),
    "SDXL": (2_567_463_684, [123_060_480, 694_659_840]),
    "SDXL refiner": (2_259_526_660, [694_659_840]),
}


def make_unet(family: Family, **settings: Any) -> Any:
    from diffusers import UNet2DConditionModel

    with init_empty_weights():
        return UNet2DConditionModel(**family.unet, **settings)


def make_vae(family: Family) -> Any:
    from diffusers import AutoencoderKL

    with init_empty_weights():
        return AutoencoderKL(
            **family.vae,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
        )


def make_texts(family: Family) -> list[Any]:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    with init_empty_weights():
        kinds = [CLIPTextModelWithProjection if text.projected else CLIPTextModel for text in family.texts]
        return [kind(CLIPTextConfig(**text.config)) for kind, text in zip(kinds, family.texts, strict=True)]


def size(network: Any) -> int:
    return sum(weight.numel() for weight in network.parameters())


def shapes(weights: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in weights.items()}


@by_family
def test_networks_have_the_published_numbers_of_parameters(family: Family) -> None:
    unet, texts = SIZES[family.name]
    assert size(make_unet(family)) == unet
    assert [size(text) for text in make_texts(family)] == texts
    assert size(make_vae(family)) == 83_653_863
    assert unet_context(family) == family.context


def unet_context(family: Family) -> int:
    (width,) = {
        weight.shape[1]
        for name, weight in make_unet(family).state_dict().items()
        if name.endswith("attn2.to_k.weight")
    }
    return int(width)


@by_family
def test_diffusers_own_conversion_turns_the_names_back(family: Family) -> None:
    """It is an independent list of the names in such checkpoints."""
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint

    unet, vae = make_unet(family), make_vae(family)
    for network, names, prefix, convert in (
        (unet, unet_names(unet.config), "model.diffusion_model.", convert_ldm_unet_checkpoint),
        (vae, vae_names(vae.config), "first_stage_model.", convert_ldm_vae_checkpoint),
    ):
        sources = find_sources(network, names, prefix)
        checkpoint = {source.name: torch.empty(source.shape, device="meta") for source in sources.values()}
        config = {**network.config, "class_embed_type": None}
        assert shapes(convert(checkpoint, config=config)) == shapes(network.state_dict())


@by_family
def test_diffusers_own_conversion_of_the_text_encoders(family: Family) -> None:
    from diffusers.loaders.single_file_utils import convert_ldm_clip_checkpoint, convert_open_clip_checkpoint

    for text, encoder in zip(family.texts, make_texts(family), strict=True):
        if text.layout == "clip":
            prefix = "cond_stage_model.transformer."
            sources = find_clip_sources(encoder, f"{prefix}text_model.")
            checkpoint = {each.name: torch.empty(each.shape, device="meta") for each in sources.values()}
            converted = convert_ldm_clip_checkpoint(checkpoint)
            plain = {name.removeprefix("text_model."): weight for name, weight in converted.items()}
            assert shapes(plain) == shapes(encoder.state_dict())
        else:
            sources = find_open_clip_sources(encoder, text.prefix)
            checkpoint = {each.name: torch.empty(ldm_shape(each), device="meta") for each in sources.values()}
            checkpoint.setdefault(f"{text.prefix}text_projection", square(text.config["hidden_size"]))
            converted = convert_open_clip_checkpoint(encoder, checkpoint, prefix=text.prefix)
            plain = {name.removeprefix("text_model."): shape for name, shape in shapes(converted).items()}
            own = {n.removeprefix("text_model."): s for n, s in shapes(encoder.state_dict()).items()}
            assert own.items() <= plain.items()


def square(side: int) -> torch.Tensor:
    return torch.empty(side, side, device="meta")


def ldm_shape(source: Any) -> tuple[int, ...]:
    rows = source.shape[::-1] if source.transposed else source.shape
    return (3 * rows[0], *rows[1:]) if source.third is not None else rows


LDM_UNET = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 320, "num_res_blocks": 2,
    "attention_resolutions": [4, 2, 1], "channel_mult": [1, 2, 4, 4], "use_spatial_transformer": True,
    "transformer_depth": 1, "use_checkpoint": False, "legacy": False,
}  # fmt: skip
LDM_OF_FAMILY = {
    "SD1": {"num_heads": 8, "context_dim": 768},
    "SD2": {"num_head_channels": 64, "context_dim": 1024, "use_linear_in_transformer": True},
}


@pytest.mark.parametrize("name", LDM_OF_FAMILY)
def test_ldms_own_network_has_these_weights(name: str, ldm: Modules) -> None:
    with init_empty_weights(), contextlib.redirect_stdout(io.StringIO()):
        theirs = ldm["openaimodel"].UNetModel(**LDM_UNET, **LDM_OF_FAMILY[name]).state_dict()
    unet = make_unet(FAMILIES[name])
    sources = find_sources(unet, unet_names(unet.config), "")
    assert {source.name for source in sources.values()} == theirs.keys()
    assert all(source.fits(tuple(theirs[source.name].shape)) for source in sources.values())


class _Shapes(_Checkpoint):
    """A checkpoint of real size, of shapes alone: networks are checked and stay empty."""

    def __init__(self, family: Family, channels: int) -> None:
        unet, vae = make_unet(family, in_channels=channels), make_vae(family)
        sources = [*find_sources(unet, unet_names(unet.config), "model.diffusion_model.").values()]
        sources += find_sources(vae, vae_names(vae.config), "first_stage_model.").values()
        for text, encoder in zip(family.texts, make_texts(family), strict=True):
            clip, level = text.layout == "clip", f"{text.prefix}text_model."
            found = (
                find_clip_sources(encoder, level) if clip else find_open_clip_sources(encoder, text.prefix)
            )
            sources += found.values()
        self.path, self.metadata = "m.safetensors", {"modelspec.prediction_type": "v"}
        self.shapes = {source.name: ldm_shape(source) for source in sources}

    def fill(self, part: str, network: Any, sources: Any, prefix: str) -> None:
        self._check(part, sources, prefix)


@pytest.mark.parametrize(
    ("name", "channels", "kind"),
    [
        ("SD1", 4, "StableDiffusionPipeline"),
        ("SD1", 8, "StableDiffusionInstructPix2PixPipeline"),
        ("SD1", 9, "StableDiffusionInpaintPipeline"),
        ("SD2", 4, "StableDiffusionPipeline"),
        ("SD2", 9, "StableDiffusionInpaintPipeline"),
        ("SDXL", 4, "StableDiffusionXLPipeline"),
        ("SDXL", 8, "StableDiffusionXLInstructPix2PixPipeline"),
        ("SDXL", 9, "StableDiffusionXLInpaintPipeline"),
        ("SDXL refiner", 4, "StableDiffusionXLImg2ImgPipeline"),
    ],
)
def test_a_pipeline_of_real_size(
    name: str, channels: int, kind: str, tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_file, "clip_tokenizer", lambda pad: make_tokenizer(tokenizer_folder, pad))
    checkpoint = _Shapes(FAMILIES[name], channels)
    assert single_file._family_of(checkpoint, read_families()) == FAMILIES[name]
    model = DiffusersModel(single_file._build(checkpoint, FAMILIES[name]))
    assert type(model.pipeline).__name__ == kind
    assert (model.prediction_type, model.num_timesteps, model.pixels_per_latent) == ("v_prediction", 1000, 8)
    cross = [site for site in model.sites if site.kind == "cross"]
    assert len(cross) == {"SD1": 16, "SD2": 16, "SDXL": 70, "SDXL refiner": 44}[name]
    assert model.alphas_cumprod[-1] == pytest.approx(0.00466, rel=1e-2)
