"""A TracedCall fed by hand, as by a host other than a diffusers pipeline."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vxa.attention.calls import AttentionCall, split_heads
from vxa.attention.records import PassRecord
from vxa.attention.sites import Site
from vxa.errors import RecordingError
from vxa.maps.attention_maps import Provenance
from vxa.maps.steps import Schedule
from vxa.models.session import Pass, Row
from vxa.tokens import Token
from vxa.tracing.call_info import GenerationInfo, Settings, TracedPrompt
from vxa.tracing.generation import TracedCall

SITES = (Site("a", "cross", "down", 0, 2, 1, "IN01"), Site("b", "cross", "mid", 1, 2, 2, "M00"))
SIZE = (4, 3)
TOKENS = (Token(0, 9, "<bos>", None, "bos"), Token(1, 3, "hat", 0, None), Token(2, 8, "<eos>", None, "eos"))
READINGS = [TracedPrompt(0, "hat", TOKENS), TracedPrompt(0, "", TOKENS, negative=True)]


def new_call(bins: int = 1) -> TracedCall:
    facts = GenerationInfo(Provenance("host", "", 0, "generated", None), "all", (32, 24))
    return TracedCall(SITES, READINGS, Schedule.of([900, 500, 100]), Settings(bins), facts)


def queries(site: Site, seed: int, rows: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed + site.index)
    height, width = site.grid(SIZE)
    return torch.randn(rows, height * width, 4, generator=generator), torch.randn(
        rows, 3, 4, generator=generator
    )


def attention(site: Site, seed: int, rows: int = 2) -> AttentionCall:
    query, key = (split_heads(each, 2) for each in queries(site, seed, rows))
    return AttentionCall(query, key, 0.5)


def begin(call: TracedCall, timestep: float, rows: dict[int, int], size: tuple[int, int] = SIZE) -> Pass:
    run = Pass([900, 500, 100].index(int(timestep)), timestep, size, {place: Row(0) for place in rows})
    call.begin(run, rows)
    return run


def feed(
    call: TracedCall, timestep: float, rows: dict[int, int], seed: int, sites: tuple[Site, ...] = SITES
) -> None:
    begin(call, timestep, rows)
    for site in sites:
        call.receive(site, attention(site, seed, max(rows) + 1))
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
    feed(call, 900, {0: 0}, seed=10)
    with pytest.raises(RecordingError, match=r"changed from \(4, 3\) to \(8, 3\) within one generation"):
        begin(call, 500, {0: 0}, (8, 3))
    call = new_call()
    begin(call, 900, {0: 0})
    query, _ = queries(SITES[0], 1)
    other = AttentionCall(split_heads(query, 2), torch.zeros(2, 5, 2, 2), 0.5)
    with pytest.raises(RecordingError, match="attended to 5 tokens, and the prompt has 3"):
        call.receive(SITES[0], other)


@pytest.mark.parametrize("bins", [1, 3])
def test_a_pass_that_is_not_certain_counts_when_its_step_used_it(bins: int) -> None:
    """Two passes are pending at a step; the step used the second one's row 1, which reads prompt 0."""
    call = new_call(bins)
    runs = []
    for seed in (10, 20):
        run = Pass(1, 500, SIZE, {0: Row(0), 1: Row(0)}, certain=False)
        call.begin(run, {0: 0, 1: 0})
        for site in SITES:
            call.receive(site, attention(site, seed))
        call.end_pass()
        runs.append(run)
    assert (call.passes, call.maps) == (0, ())
    assert not call.settle(runs[0], {})
    assert call.settle(runs[1], {1: 0})
    feed(call, 100, {0: 0}, seed=30)
    (maps,) = call.maps
    assert (call.passes, call.step) == (2, 2)
    whole = (expected(1, 20) + expected(0, 30, rows=1)) / 2
    assert np.allclose(maps.heat_map("hat", sites="IN01").values, whole, atol=1e-6)
    assert [each.label for each in maps.steps] == (["steps 0-2"] if bins == 1 else ["step 1", "step 2"])


def test_attention_that_is_not_a_number_names_the_first_site() -> None:
    call = new_call()
    begin(call, 900, {0: 0})
    for site in SITES:
        made = attention(site, 1)
        made.key[0, 0, 0, 0] = torch.nan
        call.receive(site, made)
    call.end_pass()
    with pytest.raises(RecordingError, match=r"at site IN01 \(a\) is not finite"):
        _ = call.maps
    call.finish()
    with pytest.raises(RecordingError, match="not finite"):
        _ = call.maps
