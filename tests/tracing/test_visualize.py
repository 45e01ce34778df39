from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vxa.attention.sites import REFINING_CELLS
from vxa.errors import ImageError, PromptError, RecordingError, SettingError, SiteError, VxaError, WordError
from vxa.tracing.settings import Noise
from vxa.tracing.visualize import visualize

PROMPT = "red hat, neck"


def hook_count(model: Any) -> int:
    return sum(len(module._forward_hooks) for module in model.network.modules())


def spy(model: Any) -> list[tuple[torch.Tensor, int]]:
    """Record the network's inputs from now on: (latent, timestep)."""
    seen: list[tuple[torch.Tensor, int]] = []
    model.network.register_forward_pre_hook(lambda module, given: seen.append((given[0], int(given[1]))))
    return seen


def test_maps_of_an_image(sd_model: Any, picture: Image.Image) -> None:
    maps = visualize(sd_model, picture, PROMPT, timestep=5, seed=3)
    assert maps.image_size == (40, 24)
    assert maps.latent_size == (20, 12)
    assert maps.extent == (1.0, 1.0)
    assert len(maps.tokens) == 77
    assert [site.kind for site in maps.sites] == ["cross"] * 11
    provenance = maps.provenance
    assert (provenance.model, provenance.prompt, provenance.timestep) == ("tiny", PROMPT, 5)
    assert (provenance.noise, provenance.seed, provenance.notes) == ("matched", 3, ())
    assert {"vxa", "torch", "diffusers"} <= set(provenance.versions)
    heat = maps.heat_map("hat")
    assert heat.sites == ("M00",)  # the model's default, f4
    assert heat.upsampled().shape == (40, 24)
    assert heat.mask().any()


def test_probabilities_sum_to_one_over_all_tokens(sdxl_model: Any, picture: Image.Image) -> None:
    maps = visualize(sdxl_model, picture, PROMPT)
    total = maps.heat_map(tokens="0-76", sites="all", heads="0, 2").values * 77
    assert np.allclose(total, 1, atol=1e-5)


@pytest.mark.parametrize("site", ["M00", "OUT04"])
def test_the_original_formula_from_the_models_own_q_and_k(site: str, sd_model: Any) -> None:
    """The formula Σ heads Σ tokens / max, computed here from the layer's inputs and weights."""
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (32, 16, 3), dtype=np.uint8))
    maps = visualize(sd_model, picture, PROMPT, timestep=1, noise="none")
    name = next(s.name for s in maps.sites if s.label == site)
    layer = sd_model.network.get_submodule(name)
    inputs: dict[str, torch.Tensor] = {}
    layer.to_q.register_forward_pre_hook(lambda module, given: inputs.update(x=given[0]))
    layer.to_k.register_forward_pre_hook(lambda module, given: inputs.update(context=given[0]))
    pixels = torch.from_numpy(np.asarray(picture, dtype=np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    sd_model.denoise(sd_model.encode_image(pixels), 1, sd_model.encode_prompt(PROMPT, (32, 16)))

    query = (inputs["x"][0] @ layer.to_q.weight.T).detach().double()
    key = (inputs["context"][0] @ layer.to_k.weight.T).detach().double()
    size = query.shape[1] // layer.heads
    total = torch.zeros(query.shape[0], dtype=torch.float64)
    for head in range(layer.heads):
        part = slice(head * size, (head + 1) * size)
        probabilities = (query[:, part] @ key[:, part].T * size**-0.5).softmax(-1)
        total += probabilities[:, [1, 2, 4]].sum(1)  # red, hat, and neck after the comma
    expected = (total / total.max()).view(maps.records[name].grid).numpy()
    found = maps.heat_map("red, hat, neck", sites=site, normalize="original").values
    assert np.abs(found - expected).max() < 1e-5


def test_nothing_is_run_again(sd_model: Any, picture: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    maps = visualize(sd_model, picture, PROMPT)
    monkeypatch.setattr(torch.nn.Module, "__call__", lambda *args: pytest.fail("the model was run"))
    for words, sites, heads in [("hat", None, None), ("neck", "up", "1"), ("red hat", "IN01", 0)]:
        maps.heat_map(words, sites=sites, heads=heads).upsampled()


def test_only_the_wanted_sites_are_run(sd_model: Any, picture: Image.Image) -> None:
    ran: list[str] = []
    for name in ("mid_block", "up_blocks.0"):
        sd_model.network.get_submodule(name).register_forward_pre_hook(lambda *_, name=name: ran.append(name))
    maps = visualize(sd_model, picture, PROMPT, sites="mid, IN01")
    assert maps.site_labels == ("IN01", "M00")
    assert ran == ["mid_block"]
    assert maps.heat_map("hat").sites == ("IN01", "M00")
    with pytest.raises(SiteError, match="the sites are IN01, M00"):
        maps.heat_map("hat", sites="OUT04")


def test_maps_do_not_depend_on_the_seed_without_noise(sd_model: Any, picture: Image.Image) -> None:
    def values(noise: Noise, seed: int) -> np.ndarray:
        return visualize(sd_model, picture, PROMPT, noise=noise, seed=seed).heat_map("hat").values

    assert np.array_equal(values("none", 0), values("none", 1))
    assert not np.array_equal(values("matched", 0), values("matched", 1))


def test_matched_noise_is_the_schedules(sd_model: Any, picture: Image.Image) -> None:
    seen = spy(sd_model)
    visualize(sd_model, picture, PROMPT, timestep=300, noise="none")
    visualize(sd_model, picture, PROMPT, timestep=300, noise="matched", seed=7)
    (clean, _), (noised, timestep) = seen
    epsilon = torch.randn(clean.shape, generator=torch.Generator().manual_seed(7))
    alpha = sd_model.pipeline.scheduler.alphas_cumprod[300]
    assert timestep == 300
    assert torch.allclose(noised, alpha.sqrt() * clean + (1 - alpha).sqrt() * epsilon, atol=1e-6)
    diffusers_own = sd_model.pipeline.scheduler.add_noise(clean, epsilon, torch.tensor([300]))
    assert torch.allclose(noised, diffusers_own, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "max_side", "plane", "extent"),
    [
        ((1, 1), 1024, (8, 8), (1 / 8, 1 / 8)),
        ((6, 42), 1024, (8, 48), (6 / 8, 42 / 48)),
        ((20, 140), 70, (16, 72), (10 / 16, 70 / 72)),
        ((300, 2), 48, (48, 8), (1.0, 1 / 8)),
        ((16, 24), 1024, (16, 24), (1.0, 1.0)),
    ],
)
def test_any_size(
    size: tuple[int, int], max_side: int, plane: tuple[int, int], extent: tuple[float, float], sd_model: Any
) -> None:
    seen = spy(sd_model)
    height, width = size
    maps = visualize(sd_model, Image.new("RGB", (width, height), "red"), PROMPT, max_side=max_side)
    assert tuple(seen[0][0].shape[-2:]) == (plane[0] // 2, plane[1] // 2) == maps.latent_size
    assert maps.image_size == size
    assert maps.extent == pytest.approx(extent)
    assert maps.heat_map("hat").upsampled().shape == size
    assert maps.heat_map("hat", sites="all").mask(5, 9).shape == (5, 9)


@pytest.mark.slow
def test_a_very_large_image_is_scaled_down(sd_model: Any) -> None:
    maps = visualize(sd_model, Image.new("RGB", (8000, 6000), "red"), PROMPT, sites="IN01", max_side=64)
    assert (maps.image_size, maps.latent_size, maps.extent) == ((6000, 8000), (24, 32), (1.0, 1.0))
    assert maps.heat_map("hat").upsampled().shape == (6000, 8000)


def test_the_padding_repeats_the_edges(sd_model: Any) -> None:
    seen: list[torch.Tensor] = []
    sd_model.pipeline.vae.encoder.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    array = np.random.default_rng(0).integers(0, 256, (5, 11, 3), dtype=np.uint8)
    visualize(sd_model, array, PROMPT)
    pixels = seen[0][0].permute(1, 2, 0).numpy()
    assert pixels.shape == (8, 16, 3)
    assert np.allclose(pixels[:5, :11], array / 127.5 - 1, atol=1e-6)
    assert np.array_equal(pixels[4:, :11], np.repeat(pixels[4:5, :11], 4, axis=0))
    assert np.array_equal(pixels[:, 10:], np.repeat(pixels[:, 10:11], 6, axis=1))


def test_an_image_by_its_path(sd_model: Any, picture: Image.Image, tmp_path: Path) -> None:
    picture.save(tmp_path / "picture.png")
    from_file = visualize(sd_model, tmp_path / "picture.png", PROMPT).heat_map("hat").values
    assert np.array_equal(from_file, visualize(sd_model, picture, PROMPT).heat_map("hat").values)
    with pytest.raises(ImageError):
        visualize(sd_model, tmp_path / "nothing.png", PROMPT)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"timestep": -1}, SettingError, "timestep -1 is not allowed; give a whole number from 0 to 999"),
        ({"timestep": 1000}, SettingError, "timestep 1000"),
        ({"timestep": float("nan")}, SettingError, "timestep nan"),
        ({"timestep": 1.0}, SettingError, r"timestep 1\.0"),
        ({"timestep": "1"}, SettingError, "timestep '1'"),
        ({"timestep": True}, SettingError, "timestep True"),
        ({"timestep": None}, SettingError, "timestep None"),
        ({"noise": "some"}, SettingError, "noise 'some' is unknown; use one of: none, matched"),
        ({"noise": []}, SettingError, r"noise \[\] is unknown"),
        ({"seed": -1}, SettingError, "seed -1"),
        ({"seed": 2**63}, SettingError, "seed 9223372036854775808"),
        ({"max_side": 0}, SettingError, "max_side 0"),
        ({"prompt": ""}, PromptError, "the prompt '' has no words"),
        ({"prompt": " \n\t"}, PromptError, "has no words"),
        ({"prompt": None}, PromptError, "the prompt is a NoneType"),
        ({"sites": "OUT99"}, SiteError, "called 'OUT99'"),
    ],
)
def test_a_bad_argument_stops_before_the_model_runs(
    settings: dict[str, Any], error: type[VxaError], message: str, sd_model: Any, picture: Image.Image
) -> None:
    seen = spy(sd_model)
    with pytest.raises(error, match=message):
        visualize(**{"source": sd_model, "image": picture, "prompt": PROMPT, **settings})
    assert not seen


def test_numbers_of_numpy_are_numbers(sd_model: Any, picture: Image.Image) -> None:
    maps = visualize(sd_model, picture, PROMPT, timestep=np.int64(7), sites="mid")
    assert type(maps.provenance.timestep) is int


def test_no_hook_is_left_in_any_case(sd_model: Any, picture: Image.Image) -> None:
    maps = visualize(sd_model, picture, PROMPT)
    assert hook_count(sd_model) == 0
    with pytest.raises(WordError):
        maps.heat_map("boat")
    assert hook_count(sd_model) == 0


def test_a_context_that_was_added_to_is_refused(sd_model: Any, picture: Image.Image) -> None:
    def add(module: Any, given: Any, named: dict[str, Any]) -> Any:
        named["encoder_hidden_states"] = torch.cat([named["encoder_hidden_states"]] * 2, 1)
        return given, named

    sd_model.network.register_forward_pre_hook(add, with_kwargs=True)
    with pytest.raises(RecordingError, match="attended to 154 tokens, and the prompt has 77"):
        visualize(sd_model, picture, PROMPT)


def test_refining_records_the_finest_self_attention_that_is_small_enough(
    sd_model: Any, picture: Image.Image
) -> None:
    maps = visualize(sd_model, picture, "hat, neck", sites="mid", self_attention=True)
    own = {site.grid(maps.latent_size) for site in maps.self_sites}
    grids = {site.grid(maps.latent_size) for site in sd_model.sites}
    assert own == {max(grid for grid in grids if math.prod(grid) <= REFINING_CELLS)}
    assert all(site.kind == "self" for site in maps.self_sites)
    refined, plain = maps.heat_map("hat", refine=True), maps.heat_map("hat")
    assert plain.sites == refined.sites
    assert refined.values.min() == 0 < refined.values.max() <= np.ptp(plain.values)
    assert not visualize(sd_model, picture, "hat, neck").self_sites


def test_which_self_attention_refines_can_be_said(sd_model: Any, picture: Image.Image) -> None:
    maps = visualize(sd_model, picture, "hat, neck", sites="mid", self_attention="mid")
    assert [(site.kind, site.part) for site in maps.self_sites] == [("self", "mid")]
    (own,) = (maps.records[site.name] for site in maps.self_sites)
    assert maps.heat_map("hat", refine=True).values.shape == own.grid
    with pytest.raises(SiteError, match="no site here is called 'OUT99'"):
        visualize(sd_model, picture, "hat, neck", self_attention="mid,OUT99")


def test_maps_name_the_file_of_their_image(sd_model: Any, picture: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "Größe 1.png"
    picture.save(path)
    with Image.open(path) as opened:
        for image, name in ((path, path.name), (str(path), path.name), (opened, path.name), (picture, None)):
            assert visualize(sd_model, image, PROMPT).provenance.image == name
    assert visualize(sd_model, np.asarray(picture), PROMPT).provenance.image is None
