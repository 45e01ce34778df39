"""What a UNet predicts, told by its answer to pure noise."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import vxa
from vxa.models.prediction_type import find_prediction_type, predicts_noise


def test_papercut_predicts_noise() -> None:
    assert predicts_noise(vxa.load("papercut").network)


def test_the_same_network_turned_to_v_predicts_v() -> None:
    """v = √ᾱ ε - √(1 - ᾱ) x₀, from papercut's own ε."""
    model = vxa.load("papercut")
    unet, alpha = model.network, float(model.alphas_cumprod[-1])

    def turn(network: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: tuple[Any, ...]) -> Any:
        latent, noise = args[0], output[0]
        clean = (latent - (1 - alpha) ** 0.5 * noise) / alpha**0.5
        return (alpha**0.5 * noise - (1 - alpha) ** 0.5 * clean,)

    handle = unet.register_forward_hook(turn, with_kwargs=True)
    assert not predicts_noise(unet)
    handle.remove()


@pytest.mark.parametrize(
    ("weights", "metadata", "usual", "expected"),
    [
        ((), {}, "epsilon", "epsilon"),
        (("v_pred",), {}, "epsilon", "v_prediction"),
        ((), {"modelspec.prediction_type": "V"}, "epsilon", "v_prediction"),
        (("v_pred",), {"modelspec.prediction_type": "epsilon"}, None, "epsilon"),
        ((), {"modelspec.prediction_type": "something"}, "epsilon", "epsilon"),
    ],
)
def test_what_the_checkpoint_says_comes_first(
    weights: tuple[str, ...], metadata: dict[str, str], usual: str | None, expected: str
) -> None:
    assert find_prediction_type(weights, metadata, usual, torch.nn.Identity()) == expected


def test_without_a_word_the_network_is_asked(sd_pipeline: Any) -> None:
    assert find_prediction_type((), {}, None, vxa.load("papercut").network) == "epsilon"
    assert find_prediction_type((), {}, None, sd_pipeline.unet) == "v_prediction"  # random: not its input
