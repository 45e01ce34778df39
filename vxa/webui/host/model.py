"""The webui's model: which checkpoint is chosen, and in what precision and on what device it computes.

Checked with AUTOMATIC1111's 1.10.1. Nothing is kept between calls: the model, the device and the options are
those of the moment, for a person may choose another checkpoint at any time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import shorten
from typing import Any

import torch
from modules import devices, sd_hijack, sd_models, shared

from vxa.errors import ModelError
from vxa.models.ldm.config import SITES_KEY
from vxa.ui import strings as page_strings
from vxa.webui import strings
from vxa.webui.host.queue import CALLS

__all__ = ["checkpoint_name", "checkpoint_sites", "chosen_model", "computing", "device", "loaded_model"]


def loaded_model() -> Any | None:
    """The model that is loaded now, without waiting for one; None before the first and after a failure."""
    return sd_models.model_data.sd_model


def chosen_model() -> Any:
    """The model of the chosen checkpoint, for a job.

    As a generation does, it loads what was chosen but is not loaded yet, or was exchanged for a refiner.

    Raises:
        ModelError: no checkpoint can be loaded.
    """
    try:
        # The first waits for a load that is on its way, the second may only come after it.
        model = shared.sd_model
        model = sd_models.reload_model_weights() or model
    except Exception as error:
        reason = shorten(" ".join(str(error).split()), 200, placeholder=" …")
        raise ModelError(strings.not_loaded(reason)) from error
    if model is None:
        raise ModelError(page_strings.NO_CHECKPOINT)
    sd_hijack.model_hijack.apply_circular(shared.opts.tiling)  # the last generation's is still on
    return model


def checkpoint_name(model: Any) -> str:
    """The checkpoint's name, without its folder and ending."""
    info = getattr(model, "sd_checkpoint_info", None)
    return str(getattr(info, "name_for_extra", None) or type(model).__name__)


def checkpoint_sites(model: Any) -> str | None:
    """The sites that the checkpoint's file says are read when none are named."""
    metadata = getattr(getattr(model, "sd_checkpoint_info", None), "metadata", None) or {}
    said = metadata.get(SITES_KEY)
    return said if isinstance(said, str) else None


def device() -> torch.device:
    """Where the webui computes."""
    found: torch.device = devices.device
    return found


@contextmanager
def computing() -> Iterator[None]:
    """The precision that the webui computes in, for one call of the model, which its progress counts."""
    shared.state.sampling_step = min(shared.state.sampling_step + 1, CALLS)
    with devices.without_autocast() if devices.unet_needs_upcast else devices.autocast():
        yield
