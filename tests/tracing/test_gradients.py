"""Maps with their graph: the same values as without, and gradients that finite differences confirm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.generating import NEGATIVE, OTHER, PROMPT, is_left_alone, make

import vxa
from vxa.errors import RecordingError, SettingError

IMAGE = np.linspace(0, 255, 14 * 9 * 3).reshape(14, 9, 3).astype(np.uint8)

# diffusers' Euler schedulers convert a tensor to numpy in a deprecated way.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


@pytest.mark.parametrize(
    "asked",
    [{"words": "red hat"}, {"words": "hat, neck", "sites": "all"}, {"tokens": "1, 3", "heads": "1"}, {}],
)
def test_a_tensor_has_the_heat_maps_values(asked: dict[str, Any], pipeline: Any) -> None:
    plain = vxa.visualize(pipeline, IMAGE, PROMPT)
    graph = vxa.visualize(pipeline, IMAGE, PROMPT, grad=True)
    expected = plain.heat_map(**asked).values
    for maps in (plain, graph):
        assert np.allclose(maps.tensor(**asked).detach(), expected, atol=1e-7)
        assert np.allclose(maps.heat_map(**asked).values, expected, atol=1e-7)
    assert graph.tensor(**asked).requires_grad
    assert not plain.tensor(**asked).requires_grad


def test_the_gradient_reaches_the_network_and_the_text(sd_pipeline: Any) -> None:
    maps = vxa.visualize(sd_pipeline, IMAGE, PROMPT, grad=True)
    maps.tensor("hat").max().backward()
    for part in (sd_pipeline.unet.conv_in, sd_pipeline.text_encoder):
        assert any(each.grad is not None and each.grad.abs().max() > 0 for each in part.parameters())


def test_maps_refined_by_attention_with_a_graph(sd_pipeline: Any) -> None:
    want, got = (
        vxa.visualize(sd_pipeline, IMAGE, PROMPT, self_attention="all", grad=grad) for grad in (False, True)
    )
    refined = [each.heat_map("hat", refine=True).values for each in (want, got)]
    assert np.allclose(*refined, atol=1e-6)


def test_frozen_weights_are_told(sd_pipeline: Any) -> None:
    sd_pipeline.unet.requires_grad_(False)
    sd_pipeline.text_encoder.requires_grad_(False)
    with pytest.raises(SettingError, match="no weight that requires a gradient"):
        vxa.visualize(sd_pipeline, IMAGE, PROMPT, grad=True)


def test_a_loss_in_a_loop_of_ones_own(sd_pipeline: Any) -> None:
    """Two updates of the latent at each step, by the gradient of the word's map, then the step."""
    pipeline, peaks = sd_pipeline, []
    with vxa.trace(pipeline, grad=True, sites="mid") as trace:
        context = pipeline.encode_prompt(PROMPT, "cpu", 1, False)[0].detach()
        pipeline.scheduler.set_timesteps(3)
        latent = torch.randn(1, 4, 8, 4, generator=torch.Generator().manual_seed(3))
        for timestep in pipeline.scheduler.timesteps:
            for _ in range(2):
                leaf = latent.detach().requires_grad_()
                pipeline.unet(leaf, timestep, encoder_hidden_states=context)
                peak = trace.maps[0].tensor("hat").max()
                (gradient,) = torch.autograd.grad(peak, leaf)
                latent = leaf.detach() + 0.5 * gradient / gradient.norm()
                peaks.append(float(peak.detach()))
            with torch.no_grad():
                noise = pipeline.unet(latent, timestep, encoder_hidden_states=context).sample
                latent = pipeline.scheduler.step(noise, timestep, latent).prev_sample
    assert all(later > earlier for earlier, later in zip(peaks[::2], peaks[1::2], strict=True))
    assert trace.calls[0].passes == 9
    assert is_left_alone(pipeline)


def test_the_gradient_is_the_slope(sd_pipeline: Any) -> None:
    with vxa.trace(sd_pipeline, grad=True) as trace:
        context = sd_pipeline.encode_prompt(PROMPT, "cpu", 1, False)[0].detach()
        sd_pipeline.scheduler.set_timesteps(3)
        timestep = sd_pipeline.scheduler.timesteps[0]

        def peak(latent: torch.Tensor) -> torch.Tensor:
            sd_pipeline.unet(latent, timestep, encoder_hidden_states=context)
            return trace.maps[0].tensor("hat", sites="mid").max()

        latent = torch.randn(1, 4, 8, 4, generator=torch.Generator().manual_seed(3)).requires_grad_()
        (gradient,) = torch.autograd.grad(peak(latent), latent)
        along = gradient / gradient.norm()
        with torch.no_grad():
            slope = (peak(latent + 0.01 * along) - peak(latent - 0.01 * along)) / 0.02
    assert float(slope) == pytest.approx(float(gradient.norm()), rel=1e-2)


def test_the_maps_are_of_the_last_pass(pipeline: Any) -> None:
    told: list[Any] = []
    with vxa.trace(pipeline, bins="each", negative=True) as trace:
        make(pipeline, [PROMPT, OTHER], negative_prompt=[NEGATIVE, ""])
    with vxa.trace(pipeline, grad=True, negative=True, on_step=told.append) as last:
        make(pipeline, [PROMPT, OTHER], negative_prompt=[NEGATIVE, ""])
    for want, got in zip((*trace.maps, *trace.negative_maps), (*last.maps, *last.negative_maps), strict=True):
        expected = want.at_steps(2).heat_map(tokens="0-5").values
        assert np.allclose(got.heat_map(tokens="0-5").values, expected, atol=1e-6)
        assert got.provenance.prompt == want.provenance.prompt
        assert got.tokens == want.tokens
    assert len(told) == 3
    assert last.nbytes == 0
    with pytest.raises(RecordingError, match="nothing was traced"), vxa.trace(pipeline, grad=True) as none:
        _ = none.maps
