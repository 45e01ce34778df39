"""CPU time of steered generations beside the plain batch of the same size, all sides in one run.

    python benchmarks/steering.py --steps 4 --size 256

A guided batch of two prompts in Stable Diffusion 1.5's shape with random weights, one thread on one core,
a step of each side in turns. The rows replace those in benchmarks/reports/steering.json.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

# CPU time of several threads would count their waiting for each other. Set before torch is loaded.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import torch
from parts import REPORTS
from parts.measure import time_in_steps, use_one_core
from parts.report import Row, table, with_machine, write_part
from parts.trace.pipeline import GUIDANCE, SHAPES, twin
from rich.console import Console

import vxa
from vxa.steering import Control, PromptToPrompt, StyleAligned

PROMPTS = ["a boy wearing a red hat", "a boy wearing a blue hat"]


class Nothing(Control):
    """Hands every call on as it came."""

    only_looks = True


SIDES: dict[str, tuple[Control, ...]] = {
    "plain": (),
    "a control that does nothing": (Nothing(),),
    "prompt-to-prompt": (PromptToPrompt(),),
    "style-aligned": (StyleAligned(),),
}
BARS = {"a control that does nothing": 1.03}


def measure(steps: int, size: int) -> Iterator[Row]:
    """Yield the time of a batch under each control over that of the plain batch."""
    pipeline = SHAPES["sd15"]()
    latents: dict[str, torch.Tensor] = {}

    def run(name: str, end_step: Callable[[], None]) -> None:
        own = twin(pipeline)
        if SIDES[name]:
            with vxa.steer(own, *SIDES[name]):
                latents[name] = _generate(own, steps, size, end_step)
        else:
            latents[name] = _generate(own, steps, size, end_step)

    samples = time_in_steps({side: partial(run, side) for side in SIDES})
    assert torch.equal(latents["plain"], latents["a control that does nothing"])
    for side in list(SIDES)[1:]:
        name = f"a guided batch of 2 at {size}×{size}, {steps} steps, under {side} / plain"
        both = {f"{one} s": samples[one] for one in ("plain", side)}
        yield Row(name, sum(samples[side]) / sum(samples["plain"]), "×", BARS.get(side), both)


def _generate(pipeline: Any, steps: int, size: int, end_step: Callable[[], None]) -> torch.Tensor:
    def on_step_end(pipeline: Any, step: int, timestep: int, tensors: dict[str, Any]) -> dict[str, Any]:
        end_step()
        return tensors

    latents: torch.Tensor = pipeline(
        PROMPTS, num_inference_steps=steps, guidance_scale=GUIDANCE, height=size, width=size,
        generator=[torch.Generator().manual_seed(0) for _ in PROMPTS], output_type="latent",
        callback_on_step_end=on_step_end,
    ).images  # fmt: skip
    return latents


def main() -> None:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--size", type=int, default=512, help="pixels of a side")
    parser.add_argument("--report", type=Path, default=REPORTS / "steering.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    use_one_core()
    rows = list(measure(options.steps, options.size))
    write_part(options.report, "cost", with_machine(rows))
    Console().print(table(rows))


if __name__ == "__main__":
    main()
