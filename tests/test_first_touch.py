"""The public API as somebody meets it first: any source, maps that show themselves, wrong kinds told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.maps import made_maps, one_token_maps

import vxa

PROMPT = "hat, neck"


@pytest.fixture(scope="module")
def figure() -> Image.Image:
    return vxa.papercut.scene(83).image


@pytest.mark.parametrize("source", ["model", "pipeline"])
def test_what_looks_at_images_takes_any_source(source: str, sd_model: Any, picture: Image.Image) -> None:
    given = sd_model if source == "model" else sd_model.pipeline
    seen = vxa.visualize(given, picture, PROMPT)
    assert np.array_equal(
        seen.heat_map("hat").values, vxa.visualize(sd_model, picture, PROMPT).heat_map("hat").values
    )
    read = vxa.attribute(given, picture, PROMPT, timesteps=(1,))
    assert read.heat_map("hat").values.shape == seen.heat_map("hat").values.shape


@pytest.mark.slow
def test_the_embedded_model_is_a_source_by_its_name(figure: Image.Image) -> None:
    maps = vxa.visualize("papercut", figure, PROMPT, self_attention=True)
    assert maps.heat_map("hat", refine=True).mask().any()
    result = vxa.generate("papercut", ["a red hat", "a cat"], seed=3, steps=2, size="64x64", trace=True)
    assert [image.size for image in result.images] == [(64, 64)] * 2
    assert [maps.provenance.prompt for maps in result.maps] == ["a red hat", "a cat"]
    assert [maps.provenance.seed for maps in result.maps] == [3, 3]
    assert result.image is result.images[0]
    with vxa.trace("papercut") as trace:
        trace.pipeline("a red hat", num_inference_steps=2, height=64, width=64)
    assert trace.maps[0].heat_map("hat").values.max() > 0


@pytest.mark.parametrize("function", [vxa.visualize, vxa.attribute])
def test_a_source_that_is_none_is_told(function: Any, picture: Image.Image) -> None:
    with pytest.raises(vxa.ModelError, match="there is no model at 'nowhere'"):
        function("nowhere", picture, PROMPT)
    with pytest.raises(vxa.ModelError, match="a dict is not a model"):
        function({}, picture, PROMPT)


def test_generating_without_a_trace_has_no_maps(sd_model: Any) -> None:
    plain = vxa.generate(sd_model, "hat", steps=2, size="16x16")
    traced = vxa.generate(
        sd_model, "hat", steps=2, size="16x16", trace={"self_attention": True, "bins": "each"}
    )
    assert plain.maps == ()
    assert plain.image.tobytes() == traced.image.tobytes()
    assert len(traced.maps[0].steps) == 2
    assert traced.maps[0].self_sites
    for prompt in ([], None, 5, ["hat", None]):
        with pytest.raises(vxa.PromptError, match="is no prompt"):
            vxa.generate(sd_model, prompt)  # type: ignore[arg-type]
    for wrong in (
        {"steps": 2.5}, {"seed": 1.5}, {"size": (64, 64)}, {"negative": None}, {"guidance": "x"},
        {"trace": None}, {"trace": "x"}, {"trace": {"foo": 1}},
    ):  # fmt: skip
        with pytest.raises(vxa.SettingError):
            vxa.generate(sd_model, "hat", **wrong)  # type: ignore[arg-type]
    assert vxa.generate(sd_model, "hat", steps=np.int64(2), size="16x16").image.size == (16, 16)


def test_several_words_at_once_are_each_words_map() -> None:
    maps = one_token_maps()
    for given in ("neck, hat#2", ["neck", "hat#2"]):
        several = maps.heat_maps(given)
        for phrase, heat in zip(["neck", "hat#2"], several, strict=True):
            assert np.array_equal(heat.values, maps.heat_map(phrase).values)
            assert heat.words == maps.heat_map(phrase).words
    every = maps.heat_maps()
    assert [heat.words for heat in every] == [(word.text,) for word in maps.words]
    assert [heat.tokens for heat in maps.heat_maps(maps.words[:2])] == [(1,), (2,)]
    assert [heat.tokens for heat in maps.heat_maps(tokens=["1-2", 3])] == [(1, 2), (3,)]


WRONG: list[tuple[type[vxa.VxaError], Any]] = [
    (vxa.WordError, lambda maps: maps.heat_map(3)),
    (vxa.WordError, lambda maps: maps.heat_map([3])),
    (vxa.WordError, lambda maps: maps.heat_maps(3)),
    (vxa.SettingError, lambda maps: maps.heat_maps(tokens="1")),
    (vxa.SettingError, lambda maps: maps.heat_maps(tokens=2.5)),
    (vxa.SettingError, lambda maps: vxa.View(colormap=np.array([1, 2]))),
    (vxa.SettingError, lambda maps: maps.heat_maps("hat", tokens=[1])),
    (vxa.TokenIndexError, lambda maps: maps.heat_map(tokens=1.5)),
    (vxa.TokenIndexError, lambda maps: maps.heat_map(tokens=[None])),
    (vxa.SiteError, lambda maps: maps.heat_map(sites=3)),
    (vxa.SiteError, lambda maps: maps.heat_map(sites=[3])),
    (vxa.HeadError, lambda maps: maps.heat_map(heads=1.5)),
    (vxa.HeadError, lambda maps: maps.heat_map(heads={})),
    (vxa.SettingError, lambda maps: maps.heat_map().upsampled(10**6, 10**6)),
    (vxa.SettingError, lambda maps: maps.heat_map().upsampled("a", 3)),
    (vxa.SettingError, lambda maps: maps.heat_map().upsampled(2.5, 3)),
    (vxa.SettingError, lambda maps: maps.heat_map().upsampled(0, 3)),
    (vxa.SettingError, lambda maps: (maps.heat_map() - maps.heat_map()).upsampled(0)),
    (vxa.SettingError, lambda maps: maps.heat_map().upsampled(resample=[])),
    (vxa.SettingError, lambda maps: maps.heat_map().mask(threshold="half")),
    (vxa.SettingError, lambda maps: maps.heat_map().mask(threshold=float("nan"))),
    (vxa.SettingError, lambda maps: maps.heat_map() - 1),
    (vxa.SettingError, lambda maps: vxa.View(colormap=[])),
    (vxa.SettingError, lambda maps: vxa.View(opacity="x")),
    (vxa.SettingError, lambda maps: vxa.render(maps, Image.new("RGB", (18, 12)), mode=3)),
    (vxa.ImageError, lambda maps: vxa.render(maps, 3)),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_wrong_kinds_of_argument_are_told(number: int) -> None:
    error, call = WRONG[number]
    with pytest.raises(error) as told:
        call(one_token_maps())
    assert len(str(told.value)) < 400


def test_values_show_themselves_shortly() -> None:
    maps = one_token_maps()
    heat = maps.heat_map("hat")
    assert repr(maps) == "<AttentionMaps of 'hat , neck and hat': 5 words, 2 sites, 12×18, made, t = 1>"
    assert repr(heat) == "<HeatMap of 'hat': 4×6 grid over 12×18, 1 sites, peak 0.292 (probability)>"
    assert repr(heat - maps.heat_map("neck")).startswith("<SignedMap: 4×6 grid over 12×18, ")
    assert len(repr(made_maps(prompt="neck " * 500))) < 200


def test_values_show_themselves_in_a_notebook() -> None:
    maps = made_maps(prompt="<b>hat</b>")
    for shown in (maps._repr_html_(), maps.heat_map(tokens=1)._repr_html_()):
        assert shown.count("data:image/png;base64,") == 1
        assert "<b>" not in shown


def test_the_package_has_no_file_of_a_users_in_its_way(tmp_path: Path) -> None:
    """The names of README are those of the package, whatever was imported before."""
    import vxa.generation.generate
    import vxa.pictures.compare

    for name in ("generate", "compare", "render", "trace", "attribute", "visualize"):
        assert callable(getattr(vxa, name)), name
