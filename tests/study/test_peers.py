"""The peers' formulas against the same formulas written out from queries and keys."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import vxa
from vxa.papercut import scene
from vxa.study import peers


@pytest.fixture(scope="module")
def passes():
    model, shown = vxa.load("papercut"), scene(2, "dev")
    maps = [vxa.visualize(model, shown.image, shown.caption, t, "matched", sites="all") for t in (500, 100)]
    return peers.Passes(tuple(maps))


def probabilities(maps, site, word):
    """Softmax over all keys of every head, the word's column: [heads, h, w]."""
    record = maps.records[site.name]
    query, key = (
        part.float().unflatten(-1, (record.heads, -1)).transpose(0, 1) for part in (record.query, record.key)
    )
    column = maps.find_words(word)[0].tokens[0]
    return (query @ key.transpose(1, 2) * record.scale).softmax(-1)[..., column].unflatten(-1, record.grid)


def up(values, size, mode):
    return F.interpolate(values[:, None], size=size, mode=mode, align_corners=False)[:, 0]


def test_daam_clamps_each_head_of_the_sum_over_steps(passes):
    heads = []
    for site in passes.first.sites:
        if site.part != "mid":
            summed = sum(probabilities(maps, site, "dog") for maps in passes.maps)
            heads.append(up(summed, (32, 32), "bicubic").clamp(min=0))
    expected = up(torch.cat(heads).mean(0, keepdim=True), (256, 256), "bicubic")[0]
    assert peers.daam(passes, "dog") == pytest.approx(expected.numpy(), abs=1e-5)


def test_kousw_weighs_every_grid_alike(passes):
    grids = {}
    for site in passes.first.sites:
        for maps in passes.maps:
            layer = up(probabilities(maps, site, "dog"), (64, 64), "bicubic").sum(0)
            grids.setdefault((id(maps), site.factor), []).append(layer)
    expected = sum(torch.stack(layers).mean(0) for layers in grids.values())
    expected = up(expected[None], (256, 256), "bicubic")[0]
    assert peers.kousw(passes, "dog") == pytest.approx(expected.numpy(), abs=1e-4)


def test_attention_map_diffusers_reads_the_last_step_unless_told(passes):
    def mean(kept):
        layers = [
            up(probabilities(maps, site, "dog"), (32, 32), "bilinear").mean(0)
            for site in passes.first.sites
            for maps in kept
        ]
        return up(torch.stack(layers).mean(0, keepdim=True), (256, 256), "bilinear")[0].numpy()

    read = peers.attention_map_diffusers
    assert read(passes, "dog") == pytest.approx(mean(passes.maps[-1:]), abs=1e-5)
    every = read(passes, "dog", steps="all")
    assert every / every.max() == pytest.approx(mean(passes.maps) / mean(passes.maps).max(), abs=1e-5)


def test_the_original_is_one_site_over_its_maximum_in_blocks(passes):
    values = peers.original(passes, "dog")
    assert values.max() == 1
    assert len(np.unique(values)) <= 8 * 8


def test_sums_are_made_once(passes):
    site = passes.first.sites[0]
    assert passes.summed("dog", site) is passes.summed("dog", site)
    assert dataclasses.replace(passes).first is passes.first
