"""CPU time and memory of generations, traced and untraced, both sides in one run.

    python benchmarks/trace.py                                         # every part: hours of a busy core
    python benchmarks/trace.py time peers --steps 2 --peer-steps 1 --size 256     # to see that it runs

time           20 steps, traced and untraced, a step of each in turns
memory         memory that a trace adds to the peak, for three numbers of steps
peers          time that VXA adds, and that daam and attention-map-diffusers from PyPI add
peers_memory   memory that each of these adds to the peak
sdxl           memory that a trace adds to the peak of SDXL at 1024×1024
launches       kernels that a pass launches beside the untraced one, and the Python time of the hooks
device         time and memory of traced generations on an accelerator (--device cuda); only where it is named

One thread on one core; sides take turns. Every word, site and step is traced, with guidance, on networks of
true size with random weights. Memory is measured in a process of its own. The rows of each part replace its
own in benchmarks/reports/trace.json.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median

# CPU time of several threads would count their waiting for each other. Set before torch is loaded.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import torch
from parts import REPORTS
from parts.measure import time_in_steps, use_one_core
from parts.peak_memory import run_module
from parts.report import Row, add_parts, table, with_machine, write_part
from parts.trace.device import on_device
from parts.trace.launches import as_on_an_accelerator, count_by_pass, hook_milliseconds, narrow, stopped_early
from parts.trace.pipeline import SHAPES, generation, twin
from parts.trace.sides import PEERS, SIDES
from parts.trace.unwatched import UnwatchedClock
from rich.console import Console


def measure_time(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the time of a generation traced by VXA over the same untraced, a step of each in turns."""
    whole, _, latents = _in_steps(("untraced", "vxa"), options.steps, options.size)
    assert torch.equal(latents["untraced"], latents["vxa"]), "tracing changed the image"
    generated = f"a guided generation at {options.size}×{options.size} of {options.steps} steps"
    ratio = sum(whole["vxa"]) / sum(whole["untraced"])
    samples = {f"{side} s": taken for side, taken in whole.items()}
    yield Row(f"{generated} traced by vxa / untraced", ratio, "×", 1.02, samples)


def measure_memory(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the memory that a trace adds to the peak, which does not grow with steps."""
    yield from _peaks("sd15", ("vxa",), options.memory_steps, options.size, 40)


def measure_peers(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the time that VXA and its peers add to a generation.

    It is the difference to the untraced one outside the parts of the UNet that all of them leave alone. Most
    of the time, and of its scatter, is in those parts.
    """
    steps, size = max(options.peer_steps), options.size
    whole, unwatched, _ = _in_steps(("untraced", "vxa", *PEERS), steps, size)
    rest = {side: sum(whole[side]) - sum(unwatched[side]) for side in whole}
    for side in ("vxa", *PEERS):
        name = f"CPU time that {side} adds to a guided generation at {size}×{size} of {steps} steps"
        samples = {
            f"{one}, {what} s": taken[one]
            for one in ("untraced", side)
            for what, taken in (("whole steps", whole), ("in unwatched parts", unwatched))
        }
        yield Row(name, 100 * (rest[side] - rest["untraced"]) / sum(whole["untraced"]), "%", None, samples)


def measure_peers_memory(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the memory that VXA and its peers add to the peak; over few steps, for it may grow with them."""
    yield from _peaks("sd15", ("vxa", *PEERS), options.peer_steps, options.size, None)


def measure_sdxl(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the memory that a trace adds to the peak of one step of SDXL."""
    yield from _peaks("sdxl", ("vxa",), (1,), 2 * options.size, 128)


def measure_launches(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the kernels that each side adds to a guided pass, counted in Stable Diffusion 1.5's shape."""
    pipeline = narrow()
    with as_on_an_accelerator():
        counts = {side: count_by_pass(pipeline, SIDES[side], options.size) for side in SIDES}
    for side in ("vxa", *PEERS):
        name = f"kernels that {side} adds to a guided pass of 16 sites at {options.size}×{options.size}"
        both = {one: [counts[one]] for one in ("untraced", side)}
        yield Row(name, counts[side] - counts["untraced"], "kernels", None, both)
    early, whole = stopped_early(options.size)
    name = "kernels of a visualization at the mid block / of a whole forward"
    yield Row(name, early / whole, "×", 0.45, {"mid": [early], "whole": [whole]})
    samples = hook_milliseconds(pipeline, 40)
    yield Row("CPU time of the hooks of a pass", median(samples), "ms", 1.5, {"ms": samples})


def measure_device(options: argparse.Namespace) -> Iterator[Row]:
    """Yield time and memory of generations on a device, each side in turns."""
    shapes = (("sd15", options.size), ("sdxl", 2 * options.size))
    for shape, size in shapes:
        yield from on_device(options.device, shape, size, options.steps, options.rounds)


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "time": measure_time, "memory": measure_memory, "peers": measure_peers,
    "peers_memory": measure_peers_memory, "sdxl": measure_sdxl, "launches": measure_launches,
    "device": measure_device,
}  # fmt: skip


def _in_steps(
    sides: Sequence[str], steps: int, size: int
) -> tuple[dict[str, list[float]], dict[str, list[float]], dict[str, torch.Tensor]]:
    """Generate the same image on each side, a step of each in turns.

    Returns CPU seconds of whole steps, those of the parts of the UNet that no side hooks, and the latents.
    """
    pipeline = SHAPES["sd15"]()
    generation(pipeline, 1, size)()  # the first run loads what all sides need
    unwatched: dict[str, list[float]] = {side: [] for side in sides}
    latents: dict[str, torch.Tensor] = {}

    def run(name: str, step_ended: Callable[[], None]) -> None:
        own = twin(pipeline)
        clock = UnwatchedClock(own.unet)

        def end_step() -> None:
            unwatched[name].append(clock.spent())
            step_ended()

        generate = generation(own, steps, size, end_step)
        SIDES[name](own, lambda: latents.update({name: generate()}))

    return time_in_steps({side: partial(run, side) for side in sides}), unwatched, latents


def _peaks(
    shape: str, sides: Sequence[str], steps: Sequence[int], size: int, bar: float | None
) -> Iterator[Row]:
    """Yield the memory that each side adds to the peak of the same generation untraced."""
    settings = {"shape": shape, "side": size, "steps": list(steps), "sides": ["untraced", *sides]}
    for count, peaks in run_module("parts.trace.memory", json.dumps(settings)).items():
        for side in sides:
            name = f"peak memory that {side} adds to {count} steps of {shape} at {size}×{size}"
            both = {f"{one} MB": [peaks[one]] for one in ("untraced", side)}
            yield Row(name, peaks[side] - peaks["untraced"], "MB", bar, both)


def main() -> None:
    """Measure the parts named on the command line, or all, and write them into the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_parts(parser, PARTS)
    parser.add_argument("--report", type=Path, default=REPORTS / "trace.json")
    parser.add_argument("--steps", type=int, default=20, help="steps of each timed generation")
    parser.add_argument("--memory-steps", type=int, nargs="+", default=[10, 30, 50])
    parser.add_argument("--peer-steps", type=int, nargs="+", default=[4, 8], help="the largest is timed")
    parser.add_argument("--device", default="cuda", help="of the part device; cpu to see that it runs")
    parser.add_argument("--rounds", type=int, default=7, help="generations of each side on the device")
    parser.add_argument("--size", type=int, default=512, help="pixels of a side; twice as many for SDXL")
    options = parser.parse_args()
    torch.set_num_threads(1)
    use_one_core()
    for part in options.parts or [name for name in PARTS if name != "device"]:
        rows = list(PARTS[part](options))
        write_part(options.report, part, with_machine(rows))
        Console().print(table(rows))


if __name__ == "__main__":
    main()
