"""Peak GPU memory of SDXL in half precision, by what is offloaded: what fits a card of 8 GB.

    python benchmarks/memory.py                                        # needs a GPU, and 8 GB of main memory
    python benchmarks/memory.py --device cpu --family tiny --side 64 --offload none model # a trial

Every network has its true shape and random weights, text encoders and autoencoder too. A pass over an image,
and a traced generation with its image, each from where the weights lie at rest. Each kind of offloading is
measured in a process of its own. The rows replace those of benchmarks/reports/memory.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from parts import REPORTS
from parts.peak_memory import run_module
from parts.report import Row, table, with_machine, write_part
from rich.console import Console

from vxa.models.settings import DTYPES, OFFLOADS

CARD = 8.0  # GB; weights that are not offloaded need not fit


def measure(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the peak of each task, for each kind of offloading."""
    asked = {name: getattr(options, name) for name in ("family", "device", "dtype", "side", "steps")}
    for offload in options.offload:
        peaks = run_module("parts.memory.peaks", json.dumps({**asked, "offload": offload}))
        for task, peak in peaks.items():
            name = f"peak memory of {options.family} in {options.dtype} at {options.side}×{options.side} on "
            name += f"{options.device}, offload {offload}: {task}"
            yield Row(name, peak, "GB", None if offload == "none" else CARD, {"GB": [peak]})


def main() -> None:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", type=Path, default=REPORTS / "memory.json")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", choices=DTYPES[1:], default="fp16")
    parser.add_argument("--offload", nargs="+", choices=OFFLOADS, default=list(OFFLOADS))
    parser.add_argument("--family", default="SDXL", help="SD1, SD2, SDXL, or tiny")
    parser.add_argument("--side", type=int, default=1024, help="pixels of a side")
    parser.add_argument("--steps", type=int, default=2, help="of the generation; the peak does not grow")
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("there is no CUDA device here, and its memory is what this measures; run it on a GPU")
    if options.device == "cpu" and options.family != "tiny":
        parser.error("on a CPU nothing is measured but whether this runs; give --family tiny")
    if options.device == "cpu":
        options.dtype = "fp32"  # a CPU has no other that is quick
    rows = list(measure(options))
    write_part(options.report, options.family, with_machine(rows))
    Console().print(table(rows))


if __name__ == "__main__":
    main()
