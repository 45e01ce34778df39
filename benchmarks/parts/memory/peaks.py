"""Peak memory of one placement, in a process of its own; memory.py runs it.

    python -m parts.memory.peaks '{"family": "SDXL", "device": "cuda", "dtype": "fp16", "offload": "model",
        "side": 1024, "steps": 2}'

Prints JSON: the peak in GB of a pass over an image, and of a generation with its trace and its image. On CUDA
that is all memory that tensors took, the weights' included; on a CPU what resident memory rose by.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import torch
from PIL import Image

import vxa
from parts.memory.pipeline import build_pipeline, find_family
from parts.peak_memory import peak_megabytes
from vxa.models.diffusers import DiffusersModel
from vxa.models.placement import Placement, find_placement
from vxa.models.settings import LoadSettings

PROMPT = "a boy wearing a red hat and his white cat"


def main() -> None:
    """Measure and print."""
    settings = json.loads(sys.argv[1])
    placement = _placement(settings)
    pipeline = build_pipeline(find_family(settings["family"]), placement.dtype)
    placement.place(pipeline)
    model, side = DiffusersModel(pipeline, settings["family"]), settings["side"]
    image = Image.effect_noise((side, side), 90).convert("RGB")
    tasks: dict[str, Callable[[], Any]] = {
        "visualize": lambda: vxa.visualize(model, image, PROMPT),
        "generate": lambda: vxa.generate(
            model, PROMPT, steps=settings["steps"], size=f"{side}x{side}", trace=True
        ),
    }
    peaks = {name: _peak(placement.device, task) for name, task in tasks.items()}
    sys.stdout.write(json.dumps(peaks) + "\n")


def _placement(settings: dict[str, Any]) -> Placement:
    asked = LoadSettings(settings["device"], settings["dtype"], settings["offload"])
    if asked.device == "cpu":  # refused elsewhere; to see that it runs
        return Placement(torch.device("cpu"), torch.float32, asked.offload)
    return find_placement(settings["family"], asked)


def _peak(device: torch.device, task: Callable[[], Any]) -> float | None:
    if device.type == "cpu":
        megabytes = peak_megabytes(task)
        return None if megabytes is None else megabytes / 1e3
    torch.cuda.synchronize(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    task()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) / 1e9


if __name__ == "__main__":
    main()
