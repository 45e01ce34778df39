"""The noise schedule of a diffusers scheduler, read whenever it is used, since schedulers are exchanged.

A timestep of VXA's is a level of the schedule that the model was trained on, counted from the cleanest. Most
schedulers tell the network that number itself. Others (EDM, flow matching) tell it a function of the noise's
deviation, and have no ᾱ.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vxa.errors import ModelError

__all__ = ["count_timesteps", "read_alphas", "read_prediction_type", "scale_input"]


def read_alphas(scheduler: Any) -> Tensor:
    """Return ᾱ [timesteps] in float32 on the CPU.

    Raises:
        ModelError: the scheduler's noise does not follow ᾱ.
    """
    alphas: Tensor | None = getattr(scheduler, "alphas_cumprod", None)
    if alphas is None or _option(scheduler, "use_flow_sigmas") or _is_continuous(scheduler):
        raise ModelError(
            f"the scheduler {type(scheduler).__name__} follows no alphas_cumprod, by which VXA adds noise to "
            'an image; visualize with noise="none", or trace a generation'
        )
    return alphas.detach().float().cpu()


def count_timesteps(scheduler: Any) -> int:
    """Return the number of levels of the schedule.

    Raises:
        ModelError: the scheduler does not say it.
    """
    alphas = getattr(scheduler, "alphas_cumprod", None)
    count = _option(scheduler, "num_train_timesteps") if alphas is None else len(alphas)
    if not count:
        raise ModelError(
            f"the scheduler {type(scheduler).__name__} has no number of training timesteps "
            "(num_train_timesteps); set another one"
        )
    return int(count)


def read_prediction_type(scheduler: Any) -> str:
    """Return the quantity that the scheduler takes the network's output for."""
    return str(_option(scheduler, "prediction_type") or "epsilon")


def scale_input(scheduler: Any, latent: Tensor, timestep: int) -> tuple[Tensor, int | float]:
    """Return the network's input for a latent at one of VXA's timesteps: the latent scaled, and the timestep.

    EDM's schedulers scale the latent to unit variance and tell the network ln(σ) / 4 (Karras et al. 2022,
    table 1).

    Raises:
        ModelError: the scheduler has no such level.
    """
    if getattr(scheduler, "alphas_cumprod", None) is not None and not _is_continuous(scheduler):
        return latent, timestep
    trained = type(scheduler).from_config(scheduler.config)  # set_timesteps has replaced these levels
    known = getattr(trained, "timesteps", None)
    levels = torch.as_tensor(() if known is None else known).reshape(-1).float()
    if timestep >= len(levels):
        raise ModelError(
            f"the scheduler {type(scheduler).__name__} has no levels by which one of the "
            f"{count_timesteps(scheduler)} timesteps could be told to the network; set another one"
        )
    values, order = levels.sort()
    if hasattr(trained, "precondition_inputs"):
        latent = trained.precondition_inputs(latent, trained.sigmas[order[timestep]])
    return latent, float(values[timestep])


def _is_continuous(scheduler: Any) -> bool:
    """Return whether the network is told the logarithm of the noise's deviation, as EulerDiscrete can."""
    options = [_option(scheduler, name) for name in ("timestep_type", "prediction_type")]
    return options == ["continuous", "v_prediction"]


def _option(scheduler: Any, name: str) -> Any:
    return getattr(scheduler, "config", {}).get(name)
