"""The webui's model: the chosen checkpoint, its precision and its device.

Checked with AUTOMATIC1111's 1.10.1. Nothing is kept between calls: each call reads the current model, device
and options, since the user may choose another checkpoint at any time.
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

__all__ = ["checkpoint_name", "checkpoint_sites", "chosen_model", "device", "loaded_model", "precision"]


def loaded_model() -> Any | None:
    """Return the model that is loaded now, without waiting; None before a load or after a failed one."""
    return sd_models.model_data.sd_model


def chosen_model() -> Any:
    """Return the model of the chosen checkpoint, for a job.

    Like a generation, load the checkpoint if it is not loaded yet or a refiner took its place.

    Raises:
        ModelError: no checkpoint can be loaded.
    """
    try:
        # `sd_model` waits for a load in progress; `reload_model_weights` must come after it.
        model = shared.sd_model
        model = sd_models.reload_model_weights() or model
    except Exception as error:
        reason = shorten(" ".join(str(error).split()), 200, placeholder=" …")
        raise ModelError(strings.not_loaded(reason)) from error
    if model is None:
        raise ModelError(page_strings.NO_CHECKPOINT)
    sd_hijack.model_hijack.apply_circular(shared.opts.tiling)  # the last generation's tiling may still be on
    return model


def checkpoint_name(model: Any) -> str:
    """Return the checkpoint's name, without folder and extension."""
    info = getattr(model, "sd_checkpoint_info", None)
    return str(getattr(info, "name_for_extra", None) or type(model).__name__)


def checkpoint_sites(model: Any) -> str | None:
    """Return the default sites that the checkpoint's metadata names; None if it names none."""
    metadata = getattr(getattr(model, "sd_checkpoint_info", None), "metadata", None) or {}
    spec = metadata.get(SITES_KEY)
    return spec if isinstance(spec, str) else None


def device() -> torch.device:
    """Return the device on which the webui computes."""
    found: torch.device = devices.device
    return found


@contextmanager
def precision() -> Iterator[None]:
    """Set the webui's precision for one call of the model, and count the call in the webui's progress."""
    shared.state.sampling_step = min(shared.state.sampling_step + 1, CALLS)
    with devices.without_autocast() if devices.unet_needs_upcast else devices.autocast():
        yield
