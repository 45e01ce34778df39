"""Placement of a model: the device it runs on, its precision, and what is kept in main memory meanwhile.

    placement = find_placement("./my-model", LoadSettings(offload="model"))
    placement.place(pipeline)          # a diffusers pipeline that was read in placement.dtype

diffusers offloads by accelerate's hooks. They bring a network, or a layer, to the device when it runs.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any

import torch

from vxa.errors import SettingError
from vxa.models.settings import LoadSettings

__all__ = ["Placement", "find_placement", "free_memory", "precision_name"]

_DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")
_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_HALF = ("cuda", "mps")  # devices on which "auto" is half precision
# Raised by torch for a device that is not there or is full, by diffusers where accelerate is missing.
_PLACING_ERRORS = (RuntimeError, AssertionError, ValueError, ImportError)


@dataclass(frozen=True)
class Placement:
    """A device, a precision, and what is offloaded.

    Attributes:
        device: the device that computes.
        dtype: the precision of weights and activations; maps are computed in float32 whatever it is.
        offload: "none", "model" or "sequential".
    """

    device: torch.device
    dtype: torch.dtype
    offload: str = "none"

    def place(self, pipeline: Any) -> None:
        """Move the pipeline to the device, or let diffusers move its parts as they run.

        Raises:
            SettingError: the device cannot hold it.
        """
        try:
            if self.offload == "model":
                pipeline.enable_model_cpu_offload(device=self.device)
            elif self.offload == "sequential":
                pipeline.enable_sequential_cpu_offload(device=self.device)
            else:
                pipeline.to(self.device)
        except _PLACING_ERRORS as error:
            raise _unusable(str(self.device), error, "--offload, another device, or cpu") from error

    def displace(self, pipeline: Any) -> None:
        """Move the weights off the device; `place` brings them back."""
        if self.offload == "none" and self.device.type != "cpu":
            pipeline.to("cpu")
            free_memory()

    def __str__(self) -> str:
        where = "the CPU" if self.device.type == "cpu" else str(self.device)
        kept = "" if self.offload == "none" else f", offload {self.offload}"
        return f"{precision_name(self.dtype)} on {where}{kept}"


def find_placement(name: str, settings: LoadSettings) -> Placement:
    """Return the placement of the named model, which need not be loaded yet.

    Raises:
        SettingError: there is no such device, or it cannot do what is asked.
    """
    device = _find_device(settings.device)
    dtype = _DTYPES.get(settings.dtype)
    if dtype is None:
        dtype = torch.float16 if device.type in _HALF and name != "papercut" else torch.float32
    if device.type == "cpu" and dtype == torch.float16:
        raise SettingError(
            "dtype fp16 is for a GPU, and the device is a CPU, which takes many times as long in it as in "
            "fp32; leave dtype out, or give bf16 to halve the memory"
        )
    if device.type == "cpu" and settings.offload != "none":
        raise SettingError(
            f"offload {settings.offload!r} moves weights between main memory and a GPU, and the device is a "
            "CPU; leave offload out, or give a device such as cuda"
        )
    return Placement(device, dtype, settings.offload)


def precision_name(dtype: torch.dtype) -> str:
    """Return the name of a precision: "fp16"; torch's own where it has no other."""
    return next((name for name, each in _DTYPES.items() if each == dtype), str(dtype).removeprefix("torch."))


def free_memory() -> None:
    """Free the memory of models that are no longer used, the GPU's too."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _find_device(name: str) -> torch.device:
    """Return the device of that name. Raises SettingError where it is unknown or not there."""
    if name.partition(":")[0] not in _DEVICES:
        raise SettingError(f"there is no device {name!r}; choose one of {', '.join(_DEVICES)}")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except _PLACING_ERRORS as error:
        raise _unusable(name, error, "cpu") from error


def _unusable(device: str, error: BaseException, cure: str) -> SettingError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return SettingError(f"device {device!r} cannot be used ({reason}); choose {cure}")
