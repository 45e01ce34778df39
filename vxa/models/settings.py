"""Settings of loading a model: its device, its numbers' precision, and what leaves the device meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vxa.settings import Settings, setting

__all__ = ["DTYPES", "OFFLOADS", "LoadSettings", "Offload"]

DTYPES = ("auto", "fp32", "fp16", "bf16")
OFFLOADS = ("none", "model", "sequential")

Offload = Literal["none", "model", "sequential"]


@dataclass(frozen=True)
class LoadSettings(Settings):
    """Settings of loading a model.

    `vxa.models.placement` says what "auto" is, and refuses what a device cannot do.

    Raises SettingError for a value that is not allowed.
    """

    device: str = setting("auto", "Device", "auto (CUDA where there is one), cpu, cuda, cuda:1, mps.")
    dtype: str = setting(
        "auto",
        "Precision",
        "Precision of the weights; auto: fp16 on CUDA and MPS, fp32 on a CPU and for papercut.",
        choices=DTYPES,
    )
    offload: str = setting(
        "none",
        "Offload",
        "Keep weights in main memory until they run: each network (model), or each layer (sequential).",
        choices=OFFLOADS,
    )
