"""Formulas of the peers against direct computations from queries and keys."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.scenes import cached_scene

import vxa
from vxa.study import peers

LEVELS = (500, 100)


@pytest.fixture(scope="module")
def passes():
    """Maps of each pass, with its queries and keys."""
    model, sample = vxa.load("papercut"), cached_scene(2, "dev")
    return [vxa.visualize(model, sample.image, sample.caption, t, "matched", sites="all") for t in LEVELS]


@pytest.fixture(scope="module")
def steps():
    """Maps of the same passes in the form that the formulas read."""
    model, sample = vxa.load("papercut"), cached_scene(2, "dev")
    return vxa.attribute(model, sample.image, sample.caption, LEVELS, bins="each", heads=True)


def probabilities(maps, site, word):
    """Return the word's column of the softmax over all keys, per head: [heads, h, w]."""
    record = maps.records[site.name]
    query, key = (
        part.float().unflatten(-1, (record.heads, -1)).transpose(0, 1) for part in (record.query, record.key)
    )
    column = maps.find_words(word)[0].tokens[0]
    return (query @ key.transpose(1, 2) * record.scale).softmax(-1)[..., column].unflatten(-1, record.grid)


def up(values, size, mode):
    return F.interpolate(values[:, None], size=size, mode=mode, align_corners=False)[:, 0]


def test_daam_clamps_each_head_of_the_sum_over_steps(passes, steps):
    heads = []
    for site in steps.sites:
        if site.part != "mid":
            summed = sum(probabilities(maps, site, "dog") for maps in passes)
            heads.append(up(summed, (96, 96), "bicubic").clamp(min=0))  # daam's plane
    expected = up(torch.cat(heads).mean(0, keepdim=True), (256, 256), "bicubic")[0]
    assert peers.daam(steps, "dog") == pytest.approx(expected.numpy(), abs=1e-5)


def test_kousw_weighs_every_grid_alike(passes, steps):
    grids = {}
    for site in steps.sites:
        for maps in passes:
            layer = up(probabilities(maps, site, "dog"), (64, 64), "bicubic").sum(0)
            grids.setdefault((id(maps), site.factor), []).append(layer)
    expected = sum(torch.stack(layers).mean(0) for layers in grids.values()) / len(passes)
    expected = up(expected[None], (256, 256), "bicubic")[0]
    assert peers.kousw(steps, "dog") == pytest.approx(expected.numpy(), abs=1e-4)


def test_attention_map_diffusers_reads_the_last_step_by_default(passes, steps):
    def mean(passes):
        layers = [
            up(probabilities(maps, site, "dog"), (32, 32), "bilinear").mean(0)
            for site in steps.sites
            for maps in passes
        ]
        return up(torch.stack(layers).mean(0, keepdim=True), (256, 256), "bilinear")[0].numpy()

    read = peers.attention_map_diffusers
    assert read(steps, "dog") == pytest.approx(mean(passes[-1:]), abs=1e-5)
    assert read(steps, "dog", steps="all") == pytest.approx(mean(passes), abs=1e-5)


def test_the_original_is_one_site_divided_by_its_maximum_in_blocks(passes):
    values = peers.original(passes[0], "dog")
    assert values.max() == 1
    assert len(np.unique(values)) <= 8 * 8
