"""A TracedCall fed by hand, as by a host other than a diffusers pipeline."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from vxa.attention.recording import PassRecord
from vxa.attention.sites import Site
from vxa.errors import RecordingError
from vxa.maps.attention_maps import Provenance
from vxa.maps.steps import Schedule
from vxa.tokens import Token
from vxa.tracing.generation import GenerationInfo, Settings, TracedCall, TracedPrompt

SITES = (Site("a", "cross", "down", 0, 2, 1, "IN01"), Site("b", "cross", "mid", 1, 2, 2, "M00"))
SIZE = (4, 3)
TOKENS = (Token(0, 9, "<bos>", None, "bos"), Token(1, 3, "hat", 0, None), Token(2, 8, "<eos>", None, "eos"))
READINGS = [TracedPrompt(0, "hat", TOKENS), TracedPrompt(0, "", TOKENS, negative=True)]


class Layer(nn.Module):
    scale = 0.5


def new_call(bins: int = 1) -> TracedCall:
    facts = GenerationInfo(Provenance("host", "", 0, "generated", None), "all", (32, 24))
    return TracedCall(SITES, READINGS, Schedule.of([900, 500, 100]), Settings(bins), facts)


def queries(site: Site, seed: int, rows: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed + site.index)
    height, width = site.grid(SIZE)
    return torch.randn(rows, height * width, 4, generator=generator), torch.randn(
        rows, 3, 4, generator=generator
    )


def feed(
    call: TracedCall, timestep: float, rows: dict[int, int], seed: int, sites: tuple[Site, ...] = SITES
) -> None:
    call.begin(SIZE, timestep, rows)
    for site in sites:
        call.receive(site, Layer(), *queries(site, seed, max(rows) + 1))
    if sites == SITES:
        call.end_pass()


def expected(row: int, *seeds: int, site: Site = SITES[0], rows: int = 2) -> np.ndarray:
    maps = [
        PassRecord(query[row], key[row], 2, 0.5, site.grid(SIZE)).tokens([1])[0].numpy()
        for query, key in (queries(site, seed, rows) for seed in seeds)
    ]
    return np.mean(maps, axis=0)


def test_rows_in_any_order_and_passes_apart() -> None:
    """The first pass has the conditional row first and the other last; then each runs in its own forward."""
    call = new_call()
    feed(call, 900, {0: 0, 1: 1}, seed=10)
    feed(call, 500, {0: 0}, seed=20)
    feed(call, 500, {0: 1}, seed=30)
    (maps,), (negative,) = call.maps, call.negative_maps
    record = maps.heat_map("hat", sites="IN01").values
    whole = (expected(0, 10) + expected(0, 20, rows=1)) / 2
    assert np.allclose(record, whole, atol=1e-6)
    other = (expected(1, 10) + expected(0, 30, rows=1)) / 2
    assert np.allclose(negative.heat_map("hat", sites="IN01").values, other, atol=1e-6)
    assert (call.step, call.steps, call.passes) == (1, 3, 3)
    assert maps.provenance.notes == ("read 2 of 3 steps",)
    assert maps.provenance.level == "t = 900 … 100"


def test_bins_that_were_not_reached_are_left_out() -> None:
    call = new_call(bins=3)
    feed(call, 500, {0: 0}, seed=10)
    (maps,) = call.maps
    assert [each.label for each in maps.steps] == ["step 1"]
    assert maps.provenance.level == "t = 500"


def test_a_pass_that_was_cut_short_gives_no_map_of_what_it_first_read() -> None:
    call = new_call()
    feed(call, 900, {0: 0}, seed=10)
    feed(call, 900, {0: 1}, seed=20, sites=SITES[:1])
    assert len(call.maps) == 1
    assert call.negative_maps == ()
    call.finish()
    assert call.negative_maps == ()
    assert np.allclose(call.maps[0].heat_map("hat", sites="IN01").values, expected(0, 10, rows=1), atol=1e-6)


def test_what_does_not_fit_is_named() -> None:
    call = new_call()
    with pytest.raises(RecordingError, match="timestep 700, which is not in the sampler's schedule of 3"):
        call.begin(SIZE, 700, {0: 0})
    feed(call, 900, {0: 0}, seed=10)
    with pytest.raises(RecordingError, match=r"changed from \(4, 3\) to \(8, 3\) within one generation"):
        call.begin((8, 3), 500, {0: 0})
    call = new_call()
    call.begin(SIZE, 900, {0: 0})
    query, _ = queries(SITES[0], 1)
    with pytest.raises(RecordingError, match="attended to 5 tokens, and the prompt has 3"):
        call.receive(SITES[0], Layer(), query, torch.zeros(2, 5, 4))
