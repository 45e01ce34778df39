"""Tracing the embedded model: what a word painted is where its map is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import vxa

PROMPT = "a boy wearing a blue hat"


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
    (maps,) = trace.images
    assert maps.image_size == plain.shape[1:3]
    assert [word.text for word in maps.words] == PROMPT.split()
    hat = maps.heat_map("hat")
    assert set(hat.sites) == {site.label for site in maps.select_sites(model.default_sites)}
    apart = hat - maps.heat_map("boy")
    assert apart.values.min() < 0 < apart.values.max()
    everything = maps.heat_map(tokens="0-76", sites="mid").values * 77
    assert np.allclose(everything, 1, atol=1e-4)  # each place's attention sums to one
    assert np.allclose(trace.negatives[0].heat_map(tokens="0-76", sites="mid").values * 77, 1, atol=1e-4)
