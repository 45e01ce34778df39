"""Size of the model, cost of a row of its UNet, and time to load."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from vxa import load
from vxa.papercut import judge
from vxa.papercut.shipped import WEIGHTS


def measure(scale: float) -> dict[str, Any]:
    """Measure the weights' files, one row of the UNet, and loading."""
    unet = load("papercut").pipeline.unet  # the first load pays for the imports
    files = [path for path in WEIGHTS.rglob("*.safetensors") if path != judge.JUDGE_WEIGHTS]
    return {
        "megabytes": sum(path.stat().st_size for path in files) / 1e6,
        "judge_megabytes": judge.JUDGE_WEIGHTS.stat().st_size / 1e6,
        "unet_row_gflop": row_gflop(unet),
        "load_seconds": load_seconds(),
    }


@torch.no_grad()
def row_gflop(unet: Any) -> float:
    """Count the operations of one row at 256², in 10⁹."""
    with FlopCounterMode(display=False) as counter:
        unet(torch.zeros(1, 4, 32, 32), torch.tensor([1]), torch.zeros(1, 77, 128))
    return counter.get_total_flops() / 1e9


def load_seconds() -> float:
    """Return the median time of five loads."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        load("papercut")
        times.append(time.perf_counter() - start)
    return sorted(times)[2]
