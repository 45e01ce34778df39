"""Offloaded pipelines: every map and image as without offloading, and the weights back where they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.offloading import offload_to_cpu
from support.tiny_models import make_sdxl_pipeline, make_vae

import vxa
from vxa.models.diffusers import DiffusersModel
from vxa.models.image_encoder import encode_mode

PROMPT = "red hat, neck"


@pytest.fixture(params=["model", "sequential"])
def models(request: Any, tokenizer_folder: Any) -> tuple[DiffusersModel, DiffusersModel]:
    """SDXL's shape twice, of the same weights: as it is, and offloaded."""
    plain, offloaded = (make_sdxl_pipeline(tokenizer_folder) for _ in range(2))
    offload_to_cpu(offloaded, request.param)
    return DiffusersModel(plain, "tiny"), DiffusersModel(offloaded, "tiny")


def place_of_weights(model: DiffusersModel) -> set[str]:
    parts = model.pipeline.components.values()
    return {
        weight.device.type
        for part in parts
        if isinstance(part, torch.nn.Module)
        for weight in part.parameters()
    }


def test_a_pass_that_is_left_early_reads_the_same(
    models: tuple[DiffusersModel, DiffusersModel], picture: Image.Image
) -> None:
    places = place_of_weights(models[1])
    first, second = (vxa.visualize(each, picture, PROMPT, sites="mid") for each in models)
    assert [site.label for site in second.sites] == [site.label for site in first.sites]
    for site in first.sites:
        assert torch.equal(first.records[site.name].query, second.records[site.name].query)  # type: ignore
        assert torch.equal(first.records[site.name].key, second.records[site.name].key)  # type: ignore
    assert place_of_weights(models[1]) == places


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers' Euler
def test_a_generation_is_traced_the_same(models: tuple[DiffusersModel, DiffusersModel]) -> None:
    places = place_of_weights(models[1])
    first, second = (
        vxa.generate(each, PROMPT, steps=2, size="32x48", trace={"negative": True}) for each in models
    )
    assert first.image.tobytes() == second.image.tobytes()
    for maps, others in zip(
        (*first.maps, *first.negative_maps), (*second.maps, *second.negative_maps), strict=True
    ):
        for site in maps.sites:
            values = (each.heat_map(tokens="all", sites=site.label).values for each in (maps, others))
            assert np.array_equal(*values)
    assert place_of_weights(models[1]) == places


@pytest.mark.parametrize("kind", ["none", "sequential"])
def test_a_vae_that_overflows_in_half_precision_runs_in_float32(kind: str) -> None:
    torch.manual_seed(0)
    vae = make_vae().half()
    vae.register_to_config(force_upcast=True)
    pixels = torch.rand(1, 3, 8, 12)
    wide = make_vae()
    wide.load_state_dict(vae.state_dict())
    expected = encode_mode(wide, pixels, torch.device("cpu"))
    if kind == "sequential":
        from accelerate import cpu_offload

        cpu_offload(vae, torch.device("cpu"), offload_buffers=True)
    assert torch.equal(encode_mode(vae, pixels, torch.device("cpu")), expected)
    assert vae.dtype == torch.float16
