"""What a trace costs: CPU time and memory of generations traced and not, both sides in one run.

    python benchmarks/trace.py                                         # every part: hours of a busy core
    python benchmarks/trace.py time peers --steps 2 --peer-steps 1 --size 256     # to see that it runs

time     20 steps, traced and not, a step of each in turns
memory   what a trace adds to the peak, for three numbers of steps
peers, peers_memory    what VXA adds, and daam and attention-map-diffusers as they are on PyPI
sdxl     what a trace adds to the peak of SDXL at 1024×1024

One thread on one core; sides take turns. Every word, site and step is traced, on networks of true size with
random weights, with guidance. Memory is measured in a process of its own. Each part writes its rows into
benchmarks/reports/trace.json, beside those of the other parts.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

# CPU time of several threads would count their waiting for each other. Set before torch is loaded.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import torch
from parts import REPORTS
from parts.measure import Row, add_parts, in_steps, machine, on_one_core, table
from parts.peak_memory import run_module
from parts.trace.pipeline import SHAPES, generation, twin
from parts.trace.sides import PEERS, SIDES
from parts.trace.unwatched import Unwatched
from rich.console import Console

REPORT = REPORTS / "trace.json"


def time(options: argparse.Namespace) -> Iterator[Row]:
    """A generation traced by VXA beside the same untraced, a step of each in turns."""
    whole, _, latents = _in_steps(("untraced", "vxa"), options.steps, options.size)
    assert torch.equal(latents["untraced"], latents["vxa"]), "tracing changed the image"
    generated = f"a guided generation at {options.size}×{options.size} of {options.steps} steps"
    ratio = sum(whole["vxa"]) / sum(whole["untraced"])
    samples = {f"{side} s": taken for side, taken in whole.items()}
    yield Row(f"{generated} traced by vxa / untraced", ratio, "×", 1.02, samples)


def memory(options: argparse.Namespace) -> Iterator[Row]:
    """What a trace adds to the peak, which does not grow with steps."""
    yield from _peaks("sd15", ("vxa",), options.memory_steps, options.size, 40)


def peers(options: argparse.Namespace) -> Iterator[Row]:
    """What VXA and its peers add to a generation: the difference to the untraced one outside the parts of the
    UNet that all of them leave alone. In those is most of the time, and of its scatter."""
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


def peers_memory(options: argparse.Namespace) -> Iterator[Row]:
    """What VXA and its peers add to the peak: fewer steps, for what a peer keeps may grow with them."""
    yield from _peaks("sd15", ("vxa", *PEERS), options.peer_steps, options.size, None)


def sdxl(options: argparse.Namespace) -> Iterator[Row]:
    """What a trace adds to the peak of one step of SDXL."""
    yield from _peaks("sdxl", ("vxa",), (1,), 2 * options.size, 128)


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "time": time, "memory": memory, "peers": peers, "peers_memory": peers_memory, "sdxl": sdxl,
}  # fmt: skip


def _in_steps(
    sides: Sequence[str], steps: int, size: int
) -> tuple[dict[str, list[float]], dict[str, list[float]], dict[str, torch.Tensor]]:
    """CPU seconds of the same generation under each side, a step of each in turns: whole steps, and what of
    them the parts of the UNet took that nobody watches. And the latents."""
    pipeline = SHAPES["sd15"]()
    generation(pipeline, 1, size)()  # once before, so that nobody pays for what is loaded the first time
    unwatched: dict[str, list[float]] = {side: [] for side in sides}
    latents: dict[str, torch.Tensor] = {}

    def run(name: str, step_ended: Callable[[], None]) -> None:
        own = twin(pipeline)
        clock = Unwatched(own.unet)

        def ended() -> None:
            unwatched[name].append(clock.spent())
            step_ended()

        generate = generation(own, steps, size, ended)
        SIDES[name](own, lambda: latents.update({name: generate()}))

    return in_steps({side: partial(run, side) for side in sides}), unwatched, latents


def _peaks(
    shape: str, sides: Sequence[str], steps: Sequence[int], size: int, bar: float | None
) -> Iterator[Row]:
    """What each side adds to the peak of the same generation untraced."""
    asked = {"shape": shape, "side": size, "steps": list(steps), "sides": ["untraced", *sides]}
    for count, peaks in run_module("parts.trace.memory", json.dumps(asked)).items():
        for side in sides:
            name = f"peak memory that {side} adds to {count} steps of {shape} at {size}×{size}"
            both = {f"{one} MB": [peaks[one]] for one in ("untraced", side)}
            yield Row(name, peaks[side] - peaks["untraced"], "MB", bar, both)


def main() -> None:
    """Measure the parts that are named, or all, and write them into the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_parts(parser, PARTS)
    parser.add_argument("--report", type=Path, default=REPORT)
    parser.add_argument("--steps", type=int, default=20, help="of each generation that is timed")
    parser.add_argument("--memory-steps", type=int, nargs="+", default=[10, 30, 50])
    parser.add_argument("--peer-steps", type=int, nargs="+", default=[4, 8], help="the most is timed")
    parser.add_argument("--size", type=int, default=512, help="pixels of a side; twice as many for SDXL")
    options = parser.parse_args()
    torch.set_num_threads(1)
    on_one_core()
    for part in options.parts or PARTS:
        rows = list(PARTS[part](options))
        report = json.loads(options.report.read_text("utf-8")) if options.report.exists() else {}
        report[part] = {"machine": machine(), "rows": [row.as_json() for row in rows]}
        options.report.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
        Console().print(table(rows))


if __name__ == "__main__":
    main()
