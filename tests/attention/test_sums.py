from __future__ import annotations

import pytest
import torch

from vxa.attention.calls import AttentionCall, split_heads
from vxa.attention.records import PassRecord
from vxa.attention.sums import SiteSum, SumRecord
from vxa.errors import HeadError, TokenIndexError

GRID, HEADS, TOKENS = (3, 2), 2, 5


def passes(count: int, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(6, 8, generator=generator), torch.randn(TOKENS, 8, generator=generator))
        for _ in range(count)
    ]


def call_of(query: torch.Tensor, key: torch.Tensor, scale: float, heads: int = HEADS) -> AttentionCall:
    return AttentionCall(split_heads(query[None], heads), split_heads(key[None], heads), scale)


def summed(given: list[tuple[torch.Tensor, torch.Tensor]], **settings: object) -> SiteSum:
    running = SiteSum(GRID, HEADS, TOKENS, **settings)  # type: ignore[arg-type]
    for number, (query, key) in enumerate(given):
        running.add(call_of(query, key, 0.5).of_row(0), number * running.record().sums.shape[0] // len(given))
    return running


def expected(given: list[tuple[torch.Tensor, torch.Tensor]], **asked: object) -> torch.Tensor:
    each = [PassRecord(query, key, HEADS, 0.5, GRID).tokens(range(TOKENS), **asked) for query, key in given]  # type: ignore[arg-type]
    return torch.stack(each).mean(0)


def test_a_sum_by_hand() -> None:
    running = SiteSum((1, 2), 1, 2)
    query, key = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [3.0]]).log1p()  # logits 0, log 4
    running.add(call_of(query, key, 1.0, heads=1).of_row(0))
    running.add(call_of(torch.zeros(2, 1), torch.zeros(2, 1), 1.0, heads=1).of_row(0))
    # Place 0: 1/2 twice. Place 1: 4/5, then 1/2.
    assert torch.allclose(running.record().tokens([1]), torch.tensor([[[0.5, 0.65]]]))


@pytest.mark.parametrize("scratch", [2**19, 1], ids=["heads at once", "one by one"])
def test_the_mean_is_that_of_the_single_passes(monkeypatch: pytest.MonkeyPatch, scratch: int) -> None:
    monkeypatch.setattr(SiteSum.add, "__defaults__", (0, 0, scratch))
    given = passes(3)
    assert torch.allclose(summed(given).record().tokens(range(TOKENS)), expected(given), atol=1e-6)
    apart = summed(given, apart=True).record()
    assert apart.heads == HEADS
    assert torch.allclose(apart.tokens(range(TOKENS)), expected(given), atol=1e-6)
    assert torch.allclose(apart.tokens(range(TOKENS), [1]), expected(given, heads=[1]), atol=1e-6)


def test_half_precision_is_summed_in_float32_also_under_autocast() -> None:
    given = [(query.half(), key.half()) for query, key in passes(2)]
    with torch.autocast("cpu", torch.bfloat16):
        maps = summed(given).record().tokens(range(TOKENS))
    assert maps.dtype == torch.float32
    assert torch.allclose(maps, expected(given), atol=1e-6)
    assert torch.allclose(maps.sum(0), torch.ones(GRID), atol=1e-5)


def test_bins_are_apart_and_together_the_whole() -> None:
    given = passes(4)
    record = summed(given, bins=2).record()
    assert record.passes == (2, 2)
    assert torch.allclose(record.of_bins([0]).tokens([3]), expected(given[:2])[[3]], atol=1e-6)
    assert torch.allclose(record.of_bins([1]).tokens([3]), expected(given[2:])[[3]], atol=1e-6)
    assert torch.allclose(record.tokens([3]), expected(given)[[3]], atol=1e-6)


def test_kept_tokens_are_answered_and_others_refused() -> None:
    given = passes(2)
    running = summed(given, kept=(1, 4))
    assert running.nbytes == 6 * 2 * 4
    record = running.record()
    assert record.token_count == TOKENS
    assert torch.allclose(record.tokens([4, 1]), expected(given)[[4, 1]], atol=1e-6)
    with pytest.raises(TokenIndexError, match="token 2 was not kept; the trace kept the tokens 1, 4"):
        record.tokens([1, 2])


def test_heads_that_were_averaged_are_refused() -> None:
    record = summed(passes(1)).record()
    assert record.heads == 1
    with pytest.raises(HeadError, match="heads=True"):
        record.tokens([0], heads=[1])


def test_nothing_grows_with_passes() -> None:
    assert summed(passes(1)).nbytes == summed(passes(9)).nbytes == 6 * TOKENS * 4


def test_a_record_is_a_copy_and_a_release_is_not() -> None:
    given = passes(2)
    running = summed(given[:1])
    before, released = running.record(), running.release()
    running.add(call_of(*given[1], 0.5).of_row(0))
    assert torch.allclose(before.tokens([1]), expected(given[:1])[[1]], atol=1e-6)
    assert isinstance(released, SumRecord)
    assert not torch.equal(released.sums, before.sums)
