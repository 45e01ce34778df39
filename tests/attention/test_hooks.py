"""Watching a host's forward: errors go to `on_error`, and the forward continues."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from vxa.attention.hooks import watch
from vxa.attention.layers import fingerprint
from vxa.attention.sites import Site
from vxa.errors import RecordingError

SITE = Site("attn2", "cross", "mid", 0, 2, 1, "M00")


class Attention(nn.Module):
    def __init__(self, times: int) -> None:
        super().__init__()
        self.to_q, self.to_k, self.times = nn.Linear(4, 4), nn.Linear(4, 4), times

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        for _ in range(self.times):
            total: torch.Tensor = self.to_q(hidden) + self.to_k(hidden)
        return total


class Network(nn.Module):
    def __init__(self, times: int = 1) -> None:
        super().__init__()
        self.attn2 = Attention(times)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.attn2(hidden)
        return result


def test_what_a_hook_would_raise_goes_to_the_trouble_and_the_forward_ends_as_it_would() -> None:
    network, hidden = Network(times=2), torch.randn(1, 3, 4)
    plain, problems = network(hidden), []
    with watch(network, [SITE], lambda *given: None, problems.append):
        assert torch.equal(network(hidden), plain)
    assert "ran more than once in one forward" in str(problems[0])
    with watch(network, [SITE], lambda *given: None), pytest.raises(RecordingError, match="more than once"):
        network(hidden)


def test_a_receiver_that_fails_is_trouble_too() -> None:
    def receive(*given: object) -> None:
        raise MemoryError("of the device")

    network, problems = Network(), []
    with watch(network, [SITE], receive, problems.append):
        network(torch.randn(1, 3, 4))
    assert [str(problem) for problem in problems] == ["of the device"]
    assert not network.attn2.to_q._forward_hooks


class Processor:
    def __call__(self) -> None:
        """Compute nothing."""


class OtherProcessor(Processor):
    def __call__(self) -> None:
        """Compute nothing, in another way."""


def replace_processor(layer: nn.Module) -> None:
    layer.processor = Processor()  # type: ignore[assignment]


def replace_its_class(layer: nn.Module) -> None:
    layer.processor.__class__ = OtherProcessor


def replace_its_call(layer: nn.Module) -> None:
    layer.processor.__call__ = print  # type: ignore[assignment]


def replace_scores(layer: nn.Module) -> None:
    layer.get_attention_scores = print  # type: ignore[assignment]


def add_norm(layer: nn.Module) -> None:
    layer.norm_q = nn.LayerNorm(4)


@pytest.mark.parametrize(
    "change", [replace_processor, replace_its_class, replace_its_call, replace_scores, add_norm]
)
def test_a_layer_that_is_changed_while_it_is_watched_is_looked_at_again(
    change: Callable[[nn.Module], None],
) -> None:
    layer = Attention(1)
    replace_processor(layer)
    before = fingerprint(layer)
    assert fingerprint(layer) == before
    change(layer)
    assert fingerprint(layer) != before
