"""The schedule of a scheduler, in its own terms."""

from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch

from vxa.errors import ModelError
from vxa.models.schedule import count_timesteps, read_alphas, read_prediction_type, scale_input

LATENT = torch.arange(24.0).reshape(1, 1, 4, 6)


def make(name: str, **settings: Any) -> Any:
    return getattr(diffusers, name)(**settings)


@pytest.mark.parametrize(
    "name", ["DDIMScheduler", "EulerDiscreteScheduler", "PNDMScheduler", "DPMSolverMultistepScheduler"]
)
def test_most_tell_the_network_the_timestep_itself(name: str) -> None:
    scheduler = make(name, num_train_timesteps=30)
    assert scale_input(scheduler, LATENT, 7) == (LATENT, 7)
    assert count_timesteps(scheduler) == len(read_alphas(scheduler)) == 30


@pytest.mark.parametrize("name", ["EDMEulerScheduler", "EDMDPMSolverMultistepScheduler"])
def test_edm_tells_the_logarithm_of_its_deviation(name: str) -> None:
    scheduler = make(name, sigma_data=0.5, sigma_min=0.01, sigma_max=10.0)
    scheduler.set_timesteps(3)  # the levels of a generation are not those of the training
    scaled, told = scale_input(scheduler, LATENT, 0)
    assert told == pytest.approx(torch.tensor(0.01).log().item() / 4, rel=1e-4)
    assert torch.allclose(scaled, LATENT / (0.01**2 + 0.25) ** 0.5, rtol=1e-4)
    assert scale_input(scheduler, LATENT, 999)[1] > 0.5  # ln(10) / 4 is 0.576
    assert count_timesteps(scheduler) == 1000


def test_flow_matching_tells_its_own_levels() -> None:
    scaled, told = scale_input(make("FlowMatchEulerDiscreteScheduler"), LATENT, 0)
    assert (told, torch.equal(scaled, LATENT)) == (1.0, True)


CONTINUOUS = {
    "timestep_type": "continuous",
    "prediction_type": "v_prediction",
    "sigma_min": 0.002,
    "sigma_max": 80.0,
}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("EDMEulerScheduler", {}),
        ("FlowMatchEulerDiscreteScheduler", {}),
        ("CMStochasticIterativeScheduler", {}),
        ("DPMSolverMultistepScheduler", {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}),
        ("EulerDiscreteScheduler", CONTINUOUS),
    ],
)
def test_schedules_that_follow_no_alphas_say_so(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=f"the scheduler {name} follows no alphas_cumprod"):
        read_alphas(make(name, **settings))


def test_a_continuous_euler_is_told_the_logarithm() -> None:
    scheduler = make("EulerDiscreteScheduler", **CONTINUOUS)
    assert scale_input(scheduler, LATENT, 0)[1] == pytest.approx(scheduler.timesteps.min().item())
    assert scale_input(scheduler, LATENT, 0)[1] < 0


@pytest.mark.parametrize("name", ["ScoreSdeVpScheduler", "DDPMWuerstchenScheduler"])
def test_schedules_without_levels_are_named(name: str) -> None:
    from diffusers.schedulers import deprecated

    scheduler = getattr(diffusers, name, None) or getattr(deprecated, name)
    with pytest.raises(ModelError, match=f"the scheduler {name} has no .*; set another one"):
        scale_input(scheduler(), LATENT, 5)


def test_the_prediction_type_is_the_configurations() -> None:
    assert read_prediction_type(make("DDIMScheduler", prediction_type="v_prediction")) == "v_prediction"
    assert read_prediction_type(make("FlowMatchEulerDiscreteScheduler")) == "epsilon"
