"""A latent is computed once for an image, and again whenever the weights may have changed."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from vxa.models.latent_cache import cached_latent


class Encoder(nn.Module):
    """An encoder that multiplies pixels by the sum of its weights, and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.calls = 0

    def ask(self, pixels: Tensor) -> Tensor:
        return cached_latent(self, pixels, lambda: self.encode(pixels))

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        self.calls += 1
        return self.weight.sum() * pixels


PIXELS = torch.rand(1, 3, 4, 6, generator=torch.Generator().manual_seed(0))


def test_the_same_pixels_are_encoded_once() -> None:
    encoder = Encoder()
    first, second = encoder.ask(PIXELS), encoder.ask(PIXELS.clone())
    assert encoder.calls == 1
    assert torch.equal(first, second)
    first.zero_()  # a network may write into its input
    assert torch.equal(encoder.ask(PIXELS), second)


def test_other_pixels_and_other_shapes_of_them_are_others() -> None:
    encoder = Encoder()
    for pixels in (PIXELS, PIXELS + 1e-6, PIXELS.reshape(1, 3, 6, 4)):
        assert torch.equal(encoder.ask(pixels), encoder.weight.sum() * pixels)
    assert encoder.calls == 3


def _loaded(encoder: Encoder) -> None:
    encoder.load_state_dict({"weight": torch.full((2,), 3.0)})


def _replaced(encoder: Encoder) -> None:
    encoder.weight = nn.Parameter(torch.full((2,), 3.0))


def _trained(encoder: Encoder) -> None:
    with torch.no_grad():
        encoder.weight.add_(2.0)


def _cast(encoder: Encoder) -> None:
    encoder.double()


def _extended(encoder: Encoder) -> None:
    encoder.register_buffer("more", torch.zeros(1))


def _swapped(encoder: Encoder) -> None:
    encoder.weight.data = torch.full((2,), 3.0)


def _copied(encoder: Encoder) -> None:
    encoder.weight.data.copy_(torch.tensor([1.0, 3.0]))


def _negated(encoder: Encoder) -> None:
    encoder.weight.data.neg_()


@pytest.mark.parametrize(
    "change", [_loaded, _replaced, _trained, _cast, _extended, _swapped, _copied, _negated]
)
def test_changed_weights_encode_anew(change: Callable[[Encoder], None]) -> None:
    encoder = Encoder()
    encoder.ask(PIXELS)
    change(encoder)
    assert torch.equal(encoder.ask(PIXELS), (encoder.weight.sum() * PIXELS).detach())
    assert encoder.calls == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int8])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (7, 5, 3, 3), (64, 33)])
def test_any_one_value_changed_beneath_is_noticed(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    encoder = Encoder()
    encoder.register_buffer(
        "more", (torch.arange(1, 1 + torch.Size(shape).numel()) % 100).reshape(shape).to(dtype)
    )
    count = encoder.more.numel()
    for place in {0, count // 2, count - 1}:
        calls = encoder.calls
        encoder.ask(PIXELS)
        encoder.more.data.view(-1)[place] += 1
        encoder.ask(PIXELS)
        assert encoder.calls == calls + (2 if calls == 0 else 1)


def test_the_same_values_in_another_order_and_layout() -> None:
    encoder = Encoder()
    encoder.register_buffer("more", torch.arange(4 * 8 * 6 * 2).float().reshape(4, 8, 6, 2))
    encoder.ask(PIXELS)
    encoder.more.data = encoder.more.flip(0)
    encoder.ask(PIXELS)
    assert encoder.calls == 2
    encoder.more.data = encoder.more.contiguous(memory_format=torch.channels_last)
    encoder.more.data += 1
    encoder.ask(PIXELS)
    assert encoder.calls == 3


def test_weights_that_come_back_are_the_same() -> None:
    """As when a model is offloaded: the tensors are others, and their values not."""
    encoder = Encoder()
    encoder.ask(PIXELS)
    encoder.weight.data = encoder.weight.data.clone()
    with torch.inference_mode():
        encoder.ask(PIXELS)
    assert encoder.calls == 1


def test_a_switch_of_the_encoder_counts() -> None:
    encoder = Encoder()
    encoder.use_tiling = False
    encoder.ask(PIXELS)
    encoder.use_tiling = True
    encoder.ask(PIXELS)
    assert encoder.calls == 2


def test_weights_that_are_not_there_or_none_keep_nothing() -> None:
    away = Encoder()
    away.other = nn.Parameter(torch.empty(1, device="meta"))
    bare = Encoder()
    del bare.weight
    for encoder in (away, bare):
        made: list[Tensor] = []
        for _ in range(2):
            cached_latent(encoder, PIXELS, lambda made=made: made.append(PIXELS) or PIXELS)
        assert len(made) == 2


def test_a_few_are_kept_and_nothing_of_an_encoder_that_is_gone() -> None:
    encoder = Encoder()
    for number in range(6):
        encoder.ask(PIXELS + number)
    encoder.ask(PIXELS + 5)
    assert encoder.calls == 6
    encoder.ask(PIXELS)
    assert encoder.calls == 7
    gone = weakref.ref(encoder)
    del encoder
    gc.collect()
    assert gone() is None
