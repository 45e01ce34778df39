"""Calls computed together: the sums are those of one call at a time, in few operations and little memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from support.launches import Launches

from vxa.attention.batches import ACCELERATOR_BYTES, CallBatch
from vxa.attention.calls import AttentionCall, GivenAttention, Product, split_heads
from vxa.attention.row_attention import RowAttention
from vxa.attention.sites import Site
from vxa.errors import RecordingError
from vxa.tracing.prompt_sums import PromptSums

SIZE, HEADS, TOKENS, ROWS = (6, 4), 2, 5, (2, 0)
FACTORS = (1, 1, 2, 2, 2, 1, 1)
SITES = tuple(
    Site(f"layer {number}", "cross", "down", number, HEADS, factor, f"IN{number:02}")
    for number, factor in enumerate(FACTORS)
)
OWN = Site("own", "self", "down", 0, HEADS, 2, "IN04")

Sums = dict[int, PromptSums]


def call_at(site: Site, seed: int, dtype: torch.dtype = torch.float32) -> AttentionCall:
    generator = torch.Generator().manual_seed(100 * seed + site.index + 50 * (site.kind == "self"))
    height, width = site.grid(SIZE)
    tokens = TOKENS if site.kind == "cross" else height * width
    query, key = (
        split_heads(torch.randn(3, count, 4 * HEADS, generator=generator).to(dtype), HEADS)
        for count in (height * width, tokens)
    )
    return AttentionCall(query, key, 0.4)


def product_at(site: Site, seed: int) -> GivenAttention:
    call = call_at(site, seed)
    return GivenAttention(torch.stack([call.of_row(row).probabilities() for row in range(3)]))


def masked_at(site: Site, seed: int) -> AttentionCall:
    call = call_at(site, seed)
    bias = torch.zeros(3, 1, 1, TOKENS)
    bias[:, ..., 4] = -torch.inf
    return AttentionCall(call.query, call.key, call.scale, bias)


def sums_of(
    passes: Sequence[Sequence[tuple[Site, Product]]],
    capacity: int,
    bins: int = 1,
    apart: bool = False,
    kept: tuple[int, ...] | None = None,
) -> tuple[Sums, list[list[str]]]:
    """The sums of each row, and the groups in which the sites were computed for the last row."""
    sums = {row: PromptSums(SIZE, bins, apart, kept) for row in ROWS}
    groups = []
    for number, calls in enumerate(passes):

        def add(
            sites: Sequence[Site], row: int, own: RowAttention, scratch: int, place: int = number
        ) -> None:
            if row == ROWS[-1]:
                groups.append([site.label for site in sites])
            sums[row].add(sites, own, place * bins // len(passes), scratch)

        batch = CallBatch(add, capacity)
        for site, call in calls:
            batch.receive(site, call, ROWS)
        batch.flush()
    return sums, groups


def assert_same(found: Sums, expected: Sums, sites: Sequence[Site] = SITES) -> None:
    for row in ROWS:
        for site in sites:
            own, plain = found[row].record(site, False), expected[row].record(site, True)
            assert own.passes == plain.passes
            assert own.grid == plain.grid == site.grid(SIZE)
            assert torch.allclose(own.sums, plain.sums, atol=1e-6)


PASSES = [[(site, call_at(site, seed)) for site in SITES] for seed in (1, 2, 3)]


@pytest.mark.parametrize(
    "settings",
    [{}, {"apart": True}, {"kept": (4, 1)}, {"bins": 3}, {"bins": 2, "apart": True, "kept": (2,)}],
    ids=str,
)
def test_the_sums_are_those_of_one_call_at_a_time(settings: dict[str, Any]) -> None:
    plain, one_by_one = sums_of(PASSES, 0, **settings)
    found, groups = sums_of(PASSES, ACCELERATOR_BYTES, **settings)
    assert_same(found, plain)
    assert groups[-2:] == [["IN02", "IN03", "IN04"], ["IN00", "IN01", "IN05", "IN06"]]
    assert len(one_by_one) == 3 * len(SITES)


@pytest.mark.parametrize("capacity", [1, 2000, 4000, 6000, 10_000, 20_000])
def test_any_capacity_gives_the_same_sums(capacity: int) -> None:
    assert_same(sums_of(PASSES, capacity)[0], sums_of(PASSES, 0)[0])


def test_groups_that_change_from_pass_to_pass_give_the_same_sums() -> None:
    """As where a host runs some passes with more rows: the first pass fixes what lies in one sum."""
    backwards = [PASSES[0], PASSES[1][::-1], [*PASSES[2][3:], *PASSES[2][:3]]]
    assert_same(sums_of(backwards, ACCELERATOR_BYTES)[0], sums_of(PASSES, 0)[0])
    assert_same(sums_of([PASSES[0][:4], PASSES[1][:2], PASSES[1]], 2**25)[0],
                sums_of([PASSES[0][:4], PASSES[1][:2], PASSES[1]], 0)[0])  # fmt: skip


def test_self_attention_masks_and_products_are_computed_too() -> None:
    def one_pass(seed: int) -> list[tuple[Site, Product]]:
        calls: list[tuple[Site, Product]] = [(site, call_at(site, seed)) for site in (*SITES[:4], OWN)]
        return [*calls, (SITES[4], masked_at(SITES[4], seed)), (SITES[5], product_at(SITES[5], seed))]

    passes = [one_pass(1), one_pass(2)]
    found, groups = sums_of(passes, ACCELERATOR_BYTES, apart=True, kept=(0, 3))
    assert_same(found, sums_of(passes, 0, apart=True, kept=(0, 3))[0], (*SITES[:6], OWN))
    assert groups[:2] == [["IN04"], ["IN05"]]  # they wait for nobody
    assert found[0].record(OWN, True).sums.shape == (1, 1, 6, 6)


def test_half_precision_is_computed_in_float32() -> None:
    passes = [[(site, call_at(site, seed, torch.float16)) for site in SITES] for seed in (1, 2)]
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = sums_of(passes, ACCELERATOR_BYTES)
    plain = [
        [(site, AttentionCall(call.query.float(), call.key.float(), call.scale)) for site, call in calls]
        for calls in passes
    ]
    assert_same(found, sums_of(plain, 0)[0])


def test_a_held_call_that_the_network_overwrites_is_an_error() -> None:
    batch = CallBatch(lambda *given: None, ACCELERATOR_BYTES)
    calls = [call_at(site, 1) for site in SITES[:2]]
    for site, call in zip(SITES, calls, strict=False):
        batch.receive(site, call, ROWS)
    calls[1].key.mul_(2)
    with pytest.raises(RecordingError, match=r"site IN01 \(layer 1\) overwrote its queries or keys after"):
        batch.flush()


def test_tensors_without_a_version_are_computed_at_once() -> None:
    """Where a host runs in inference mode, nobody would notice that they are overwritten."""
    found: list[str] = []
    batch = CallBatch(lambda sites, *given: found.append(sites[0].label), ACCELERATOR_BYTES)
    with torch.inference_mode():
        batch.receive(SITES[0], call_at(SITES[0], 1), (0,))
        assert found == ["IN00"]


def test_a_batch_that_is_cleared_computes_nothing() -> None:
    batch = CallBatch(lambda *given: pytest.fail("computed"), ACCELERATOR_BYTES)
    batch.receive(SITES[0], call_at(SITES[0], 1), ROWS)
    batch.clear()
    batch.flush()


# Stable Diffusion 1.5 at 512², guided: factor of the grid, and channels of a head.
SD15 = ((1, 40), (1, 40), (2, 80), (2, 80), (4, 160), (4, 160), (8, 160), (4, 160), (4, 160), (4, 160),
        (2, 80), (2, 80), (2, 80), (1, 40), (1, 40), (1, 40))  # fmt: skip


def test_a_pass_of_sd15_launches_at_most_40_kernels_and_takes_at_most_32_megabytes() -> None:
    sums = PromptSums((64, 64), 1, False, None)
    batch = CallBatch(lambda sites, row, own, scratch: sums.add(sites, own, 0, scratch), ACCELERATOR_BYTES)
    with Launches(memory=True) as launches:
        for index, (factor, channels) in enumerate(SD15):
            site = Site(f"{index}", "cross", "down", index, 8, factor, f"IN{index:02}")
            height, width = site.grid((64, 64))
            query, key = (
                split_heads(torch.zeros(2, count, 8 * channels, dtype=torch.float16), 8)
                for count in (height * width, 77)
            )
            batch.receive(site, AttentionCall(query, key, 0.1), (1,))
        batch.flush()
    for made in ("aten.zeros", "aten.full"):  # the network's own queries and keys; sums, in the first pass
        del launches.count[made]
    assert launches.count.total() <= 40, launches.count
    network = 2 * (4096 + 77) * 320 * 2  # the query and key that the network itself still needs
    assert launches.peak - network - sums.nbytes <= ACCELERATOR_BYTES
