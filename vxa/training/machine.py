"""The machine of a training: its processes, bf16, and steps that are captured as CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import distributed, nn

WARM_UP = 3
"""Steps before the capture, in which libraries choose kernels and buffers are made."""


def mixed_precision(device: str = "cpu") -> torch.autocast:
    """Return bf16 autocast, enabled where the device computes in bf16.

    No cast of a weight is kept: a step uses each weight once, and a captured step would use an old cast."""
    enabled = computes_in_bf16(device)
    return torch.autocast(device.split(":")[0], torch.bfloat16, enabled=enabled, cache_enabled=False)


def computes_in_bf16(device: str) -> bool:
    """Return whether the device has bf16 instructions.

    A CPU without them emulates them, which took two to three times as long as float32."""
    return device.split(":")[0] != "cpu" or torch.cpu._is_avx512_bf16_supported()


def rank() -> int:
    """Return the rank of this process under torchrun; 0 without it."""
    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0


def share_gradients(network: nn.Module) -> None:
    """Average the gradients over the processes of torchrun; do nothing without it."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients]) / distributed.get_world_size()
    distributed.all_reduce(flat)
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def capture(step: Callable[[], None], device: str) -> Callable[[], None]:
    """Return what makes one step: on CUDA the replay of a graph of `step`, elsewhere `step` itself.

    On CUDA `step` runs three times before the capture, and it may neither wait for the device nor read a
    number that changes from a Python variable: such numbers are tensors."""
    if not on_cuda(device):
        return step
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def on_cuda(device: str) -> bool:
    """Return whether the device is a CUDA GPU."""
    return device.split(":")[0] == "cuda"
