"""What a trace costs: CPU time and memory of generations traced and not, both sides in one run.

    python benchmarks/trace.py --report benchmarks/trace.json          # 20 steps a side: hours of a busy core
    python benchmarks/trace.py --steps 2 --rounds 1 --size 256        # to see that it runs

One thread; sides take turns. Every word, site and step is traced, on Stable Diffusion 1.5's UNet in its true
size with random weights, with guidance, at 512×512 unless told. Memory is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

# CPU time of several threads would count their waiting for each other. Set before torch is loaded.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import torch
from measure import Row, add_parts, in_turns, machine, ratio, table
from rich.console import Console
from trace_pipeline import generation, random_pipeline

import vxa

HERE = Path(__file__).parent
PARTS = ("time", "memory")


def times(steps: int, rounds: int, side: int) -> Row:
    """A generation traced against the same untraced; their latents must be the same bit for bit."""
    pipeline = random_pipeline()
    generate = generation(pipeline, steps, side)

    def traced() -> torch.Tensor:
        with vxa.trace(pipeline) as trace:
            latent = generate()
        assert len(trace.images) == 1
        return latent

    generation(pipeline, 1, side)()  # the first pass sets up the libraries
    with vxa.trace(pipeline):
        first = generation(pipeline, 1, side)()
    assert torch.equal(first, generation(pipeline, 1, side)()), "tracing changed the image"
    samples = in_turns({"untraced s": generate, "traced s": traced}, rounds)
    name = (
        f"a guided generation at {side}×{side} of {steps} steps traced (all words, sites, steps) / untraced"
    )
    return Row(name, ratio(samples, "traced s", "untraced s"), "×", 1.02, samples)


def memory(steps: list[int], side: int) -> Iterator[Row]:
    """What tracing adds to the peak of a generation, and what the trace holds."""
    # Every large block is mapped and given back by itself: else the heap's history moves the peaks.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, str(HERE / "trace_memory.py"), str(side), *map(str, steps)]
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    found = json.loads(printed.splitlines()[-1])
    for count in steps:
        sides = {f"{side} MB": taken for side, taken in found[str(count)].items()}
        added = median(sides["traced MB"]) - median(sides["untraced MB"])
        yield Row(f"peak memory that a trace of {count} steps at {side}×{side} adds", added, "MB", 40, sides)


def main() -> None:
    """Measure, show, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_parts(parser, PARTS)
    parser.add_argument("--report", type=Path, help="where to write the figures as JSON")
    parser.add_argument("--steps", type=int, default=20, help="of each generation that is timed")
    parser.add_argument("--rounds", type=int, default=2, help="of both sides in turns")
    parser.add_argument("--memory-steps", type=int, nargs="*", default=[10, 30, 50])
    parser.add_argument("--size", type=int, default=512, help="pixels of a side")
    options = parser.parse_args()
    torch.set_num_threads(1)
    parts = options.parts or PARTS
    rows = list(memory(options.memory_steps, options.size)) if "memory" in parts else []
    rows += [times(options.steps, options.rounds, options.size)] if "time" in parts else []
    Console().print(table(rows))
    if options.report:
        report = {"machine": machine(), "rows": [row.as_json() for row in rows]}
        options.report.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
