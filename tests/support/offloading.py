"""diffusers' two kinds of offloading with the CPU as the device that computes: the hooks without a GPU."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["offload_to_cpu"]


def offload_to_cpu(pipeline: Any, kind: str) -> None:
    """Offload the pipeline as `offload=kind` does: "model" or "sequential"."""
    if kind == "model":
        pipeline.enable_model_cpu_offload(device="cpu")
        return
    from accelerate import cpu_offload

    # enable_sequential_cpu_offload would say "cpu:0", which accelerate takes for another device than the CPU.
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            cpu_offload(part, torch.device("cpu"), offload_buffers=len(part._parameters) > 0)
