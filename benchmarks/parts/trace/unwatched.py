"""Time that a UNet spends in the parts that no tool for cross-attention hooks."""

from __future__ import annotations

import time

from diffusers import UNet2DConditionModel
from diffusers.models.attention import FeedForward
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import nn

__all__ = ["UnwatchedClock"]

KINDS = (ResnetBlock2D, FeedForward, Downsample2D, Upsample2D)


class UnwatchedClock:
    """Clock that runs in residual blocks, feed-forwards, resamplings and self-attention, on one thread."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        self._seconds = self._start = 0.0
        for name, module in unet.named_modules():
            if isinstance(module, KINDS) or name.endswith(".attn1"):
                module.register_forward_pre_hook(self._begin)
                module.register_forward_hook(self._end)

    def spent(self) -> float:
        """Return the CPU seconds since the last call."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    def _begin(self, module: nn.Module, inputs: object) -> None:
        self._start = time.thread_time()

    def _end(self, module: nn.Module, inputs: object, output: object) -> None:
        self._seconds += time.thread_time() - self._start
