from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vxa.attention.recording import record
from vxa.attention.records import PassRecord
from vxa.attention.sites import Site
from vxa.errors import RecordingError

SIZE = (3, 2)  # of the latent: six queries
CONTEXT = 5


class Attention(nn.Module):
    """A minimal attention layer: to_q, to_k, to_v, heads."""

    def __init__(self, channels: int = 4, heads: int = 2) -> None:
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels, bias=False) for _ in range(3))
        self.heads = heads
        self.scale = 0.25

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.to_q(x), self.to_k(context), self.to_v(context))
        )
        output = nn.functional.scaled_dot_product_attention(query, key, value, scale=self.scale)
        return output.transpose(1, 2).flatten(2)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = Attention(), Attention(), Attention()
        self.after = 0

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        for layer in (self.first, self.second, self.third):
            x = x + layer(x, context)
        self.after += 1
        return x


SITES = tuple(
    Site(name, "cross", "mid", n, 2, 1, f"M{n:02d}") for n, name in enumerate(["first", "second", "third"])
)


@pytest.fixture
def network() -> Network:
    torch.manual_seed(1)
    return Network().eval()


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor]:
    torch.manual_seed(2)
    return torch.randn(2, 6, 4), torch.randn(2, CONTEXT, 4)


def hook_count(network: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in network.modules())


def test_a_probability_by_hand() -> None:
    query = torch.tensor([[2.0, 0.0], [0.0, 0.0], [0.0, 1.0]])  # three places, two heads of one channel
    key = torch.tensor([[0.0, 0.0], [torch.log(torch.tensor(3.0)).item(), 0.0]])  # two tokens
    kept = PassRecord(query, key, heads=2, scale=0.5, grid=(3, 1))
    # Head 0 at place 0: logits 0 and log 3, so 1/4 and 3/4; everywhere else logits are equal.
    assert torch.allclose(kept.tokens([1], heads=[0]), torch.tensor([[[0.75], [0.5], [0.5]]]))
    assert torch.allclose(kept.tokens([1, 0], heads=[1]), torch.full((2, 3, 1), 0.5))
    assert torch.allclose(kept.tokens([1]), torch.tensor([[[0.625], [0.5], [0.5]]]))


@pytest.mark.parametrize("count", [7, 11], ids=["mean kept", "more tokens than channels"])
def test_all_tokens_are_the_softmax_in_float32_however_it_is_cut(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr("vxa.attention.records._SCRATCH", 16)
    query, key = torch.randn(6, 8).half(), torch.randn(count, 8).half()
    kept = PassRecord(query, key, heads=2, scale=0.5, grid=(3, 2))
    logits = torch.einsum("qhc,khc->hkq", query.float().view(6, 2, 4), key.float().view(count, 2, 4)) * 0.5
    expected = logits.softmax(1).view(2, count, 3, 2)
    maps = kept.tokens(range(count))
    assert maps.dtype == torch.float32
    assert torch.allclose(maps.sum(0), torch.ones(3, 2), atol=1e-6)
    assert torch.allclose(maps, expected.mean(0), atol=1e-6)
    assert torch.allclose(kept.tokens([5, 2], heads=[1]), expected[1, [5, 2]], atol=1e-6)
    assert torch.allclose(kept.tokens(range(count), heads=[0, 1]), maps, atol=1e-6)


def test_gathering_is_the_attention_times_the_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vxa.attention.records._SCRATCH", 16)
    kept = PassRecord(torch.randn(6, 8).half(), torch.randn(6, 8).half(), heads=2, scale=0.5, grid=(3, 2))
    attention = kept.tokens(range(6)).reshape(6, 6)  # [keys, queries]
    values = torch.randn(2, 6)
    assert torch.allclose(kept.gather(values), (values @ attention).reshape(2, 3, 2), atol=1e-6)
    assert torch.allclose(kept.gather(torch.ones(1, 6)), torch.ones(1, 3, 2), atol=1e-6)


def test_an_answer_is_the_callers_own() -> None:
    kept = PassRecord(torch.randn(6, 8), torch.randn(5, 8), heads=2, scale=0.5, grid=(3, 2))
    first = kept.tokens([1])
    expected = first.clone()
    first.zero_()
    assert torch.equal(kept.tokens([1]), expected)


def test_recording_keeps_the_wanted_rows_and_changes_nothing(network: Network, inputs: Any) -> None:
    plain = network(*inputs)
    with record(network, SITES, latent_size=SIZE, rows=(1,)) as recording:
        watched = network(*inputs)
    assert torch.equal(plain, watched)
    records = recording.records()
    assert list(records) == ["first", "second", "third"]
    assert torch.equal(records["first"].query, network.first.to_q(inputs[0])[1])
    assert torch.equal(records["third"].key, network.third.to_k(inputs[1])[1])
    assert records["first"].scale == 0.25
    assert records["first"].grid == SIZE
    assert records["first"].token_count == CONTEXT


def test_what_is_kept_is_a_copy(network: Network, inputs: Any) -> None:
    outputs: list[Tensor] = []
    handle = network.first.to_q.register_forward_hook(lambda module, given, output: outputs.append(output))
    with torch.no_grad(), record(network, SITES[:1], latent_size=SIZE) as recording:
        network(*inputs)
    handle.remove()
    before = recording.records()["first"].query.clone()
    outputs[0].zero_()
    assert torch.equal(recording.records()["first"].query, before)
    assert before.abs().sum() > 0


def test_a_layer_without_scale_has_the_usual_one(network: Network, inputs: Any) -> None:
    del network.first.scale
    network.first.forward = lambda x, context: (network.first.to_q(x), network.first.to_k(context))[0]  # type: ignore[method-assign]
    with record(network, SITES[:1], latent_size=SIZE) as recording:
        network(*inputs)
    assert recording.records()["first"].scale == pytest.approx(2**-0.5)


def test_stop_early_leaves_after_the_last_wanted_site(network: Network, inputs: Any) -> None:
    with record(network, SITES[:2], latent_size=SIZE, stop_early=True) as recording:
        network(*inputs)
        pytest.fail("the block must be left with the forward")
    assert list(recording.records()) == ["first", "second"]
    assert network.after == 0
    assert hook_count(network) == 0
    network(*inputs)
    assert network.after == 1


def test_stop_early_passes_through_a_host_that_swallows_exceptions(network: Network, inputs: Any) -> None:
    with record(network, SITES[:1], latent_size=SIZE, stop_early=True):
        with contextlib.suppress(Exception):
            network(*inputs)
        pytest.fail("a host's broad except must not see the stop")


def test_nested_recordings_each_stop_their_own_block(network: Network, inputs: Any) -> None:
    with record(network, SITES[1:2], latent_size=SIZE, stop_early=True) as outer:
        with record(network, SITES[:1], latent_size=SIZE, stop_early=True) as inner:
            network(*inputs)
        network(*inputs)
    assert list(inner.records()) == ["first"]
    assert list(outer.records()) == ["second"]
    assert network.after == 0


def test_no_hook_is_left_and_others_stay(network: Network, inputs: Any) -> None:
    foreign = network.first.to_q.register_forward_hook(lambda module, given, output: None)
    with record(network, SITES, latent_size=SIZE):
        assert hook_count(network) == 10
        network(*inputs)
    with pytest.raises(ZeroDivisionError), record(network, SITES, latent_size=SIZE):
        raise ZeroDivisionError
    network.third.to_v.forward = None  # type: ignore[assignment, method-assign]
    with pytest.raises(TypeError), record(network, SITES, latent_size=SIZE):
        network(*inputs)
    assert hook_count(network) == 1
    foreign.remove()


def run_elsewhere(network: Network, *inputs: Tensor) -> None:
    other = threading.Thread(target=network, args=inputs)
    other.start()
    other.join()


def test_another_thread_is_not_heard(network: Network, inputs: Any) -> None:
    with record(network, SITES, latent_size=SIZE) as recording:
        run_elsewhere(network, inputs[0] + 1, inputs[1])
        network(*inputs)
    assert torch.equal(recording.records()["first"].query, network.first.to_q(inputs[0])[0])

    with pytest.raises(RecordingError, match="did not run"), record(network, SITES, latent_size=SIZE):
        run_elsewhere(network, *inputs)


def skip_second(network: Network, x: Tensor, context: Tensor) -> Tensor:
    return network.third(network.first(x, context), context)


def fused(network: Network, x: Tensor, context: Tensor) -> Tensor:
    network.second.to_q(x)
    return skip_second(network, x, context)


def twice(network: Network, x: Tensor, context: Tensor) -> Tensor:
    return network(network(x, context), context)


def key_first(network: Network, x: Tensor, context: Tensor) -> Tensor:
    return network.second.to_k(context)


def key_twice(network: Network, x: Tensor, context: Tensor) -> Tensor:
    network(x, context)
    return network.third.to_k(context)


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (skip_second, r"nothing was recorded at M01 \(second\): it did not run although others did"),
        (fused, r"M01 \(second\): it called to_q but not to_k: its projections are fused"),
        (lambda network, x, context: x, r"M02 \(third\): it did not run, nor did any other .*torch.compile"),
        (twice, r"M00 \(first\) ran more than once"),
        (key_first, r"M01 \(second\) called to_k before to_q"),
        (key_twice, r"M02 \(third\) called to_k twice"),
    ],
)
def test_every_site_fires_exactly_once_or_an_error_names_it(
    forward: Callable[..., Tensor], message: str, network: Network, inputs: Any
) -> None:
    with pytest.raises(RecordingError, match=message), record(network, SITES, latent_size=SIZE):
        forward(network, *inputs)
    assert hook_count(network) == 0


def test_a_compiled_network_is_refused(network: Network) -> None:
    wrapped = torch.compile(network, backend="eager")
    with (
        pytest.raises(RecordingError, match=r"compiled .*at its top"),
        record(wrapped, SITES, latent_size=SIZE),
    ):  # type: ignore[arg-type]
        pytest.fail("the block must not be entered")
    network.second.compile(backend="eager")
    with (
        pytest.raises(RecordingError, match=r"compiled .*at second"),
        record(network, SITES, latent_size=SIZE),
    ):
        pytest.fail("the block must not be entered")


def without_key(network: Network) -> None:
    del network.second.to_k


def with_added_key(network: Network) -> None:
    network.second.add_k_proj = nn.Linear(4, 4)


def without_layer(network: Network) -> None:
    del network.second


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_key, "fused projections"),
        (with_added_key, "has add_k_proj"),
        (without_layer, "not in the network"),
    ],
)
def test_a_layer_that_cannot_be_watched_is_refused(
    change: Callable[[Network], None], message: str, network: Network
) -> None:
    change(network)
    with (
        pytest.raises(RecordingError, match=rf"M01 \(second\).*{message}"),
        record(network, SITES, latent_size=SIZE),
    ):
        pytest.fail("the block must not be entered")
    assert hook_count(network) == 0


def test_queries_that_are_not_the_sites_grid_are_refused(network: Network, inputs: Any) -> None:
    message = r"a latent of \(4, 2\) has 4×2 there"
    with pytest.raises(RecordingError, match=message), record(network, SITES, latent_size=(4, 2)):
        network(*inputs)


def test_rows_that_are_not_there_are_refused(network: Network, inputs: Any) -> None:
    message = r"has 2 rows, and the rows \[2\] are wanted"
    with pytest.raises(RecordingError, match=message), record(network, SITES, latent_size=SIZE, rows=(2,)):
        network(*inputs)
