"""Traces of the embedded model: the map of each word, and refined maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import vxa

PROMPT = "a boy wearing a blue hat"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model() -> Any:
    loaded: Any = vxa.load("papercut")
    loaded.pipeline.set_progress_bar_config(disable=True)
    return loaded


def make(model: Any) -> np.ndarray:
    generator = torch.Generator().manual_seed(3)
    result = model.pipeline(PROMPT, num_inference_steps=4, generator=generator, output_type="np")
    images: np.ndarray = result.images
    return images


def test_the_picture_is_the_same_and_every_word_has_its_map(model: Any) -> None:
    plain = make(model)
    with torch.inference_mode(), vxa.trace(model, negative=True) as trace:
        traced = make(model)
    assert np.array_equal(plain, traced)
    (maps,) = trace.maps
    assert maps.image_size == plain.shape[1:3]
    assert [word.text for word in maps.words] == PROMPT.split()
    hat = maps.heat_map("hat")
    assert set(hat.sites) == {site.label for site in maps.select_sites(model.default_sites)}
    apart = hat - maps.heat_map("boy")
    assert apart.values.min() < 0 < apart.values.max()
    everything = maps.heat_map(tokens="0-76", sites="mid").values * 77
    assert np.allclose(everything, 1, atol=1e-4)  # each place's attention sums to one
    assert np.allclose(trace.negative_maps[0].heat_map(tokens="0-76", sites="mid").values * 77, 1, atol=1e-4)


def test_a_trace_is_refined_by_the_mean_self_attention_of_its_steps(model: Any, tmp_path: Path) -> None:
    plain = make(model)
    with vxa.trace(model, self_attention=True) as trace:
        traced = make(model)
    assert np.array_equal(plain, traced)
    (maps,) = trace.maps
    values = maps.heat_map("hat", sites="IN01").values
    gathered = []
    for site in maps.self_sites:
        attention = maps.records[site.name].tokens(range(values.size)).flatten(1).numpy()  # [keys, queries]
        assert np.allclose(attention.sum(0), 1, atol=1e-4)
        gathered.append((values.ravel() @ attention).reshape(values.shape))
    refined = maps.heat_map("hat", sites="IN01", refine=True).values
    spread = np.mean(gathered, axis=0)
    assert np.allclose(refined, spread - spread.min(), atol=1e-6)
    vxa.write_maps(maps, tmp_path / "maps.npz")
    read = vxa.read_maps(tmp_path / "maps.npz")
    again = read.heat_map("hat", sites="IN01", refine=True).values
    assert np.array_equal(again, refined)
    assert read.self_sites == maps.self_sites
