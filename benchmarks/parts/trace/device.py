"""Generations on an accelerator: time and memory of each side, in turns, in half precision."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Any

import torch

from parts.report import Row
from parts.trace.launches import NARROW
from parts.trace.pipeline import SHAPES, generation, sd15
from parts.trace.sides import PEERS, SIDES

__all__ = ["on_device"]


def on_device(device: str, shape: str, size: int, steps: int, rounds: int) -> Iterator[Row]:
    """Yield the rows of one shape. A CPU runs narrow networks, to see that the part runs.

    Exits with a sentence where torch has no such device.
    """
    check_device(device)
    pipeline = _pipeline(device, shape)
    tasks = {side: partial(SIDES[side], pipeline) for side in SIDES}
    seconds, peaks, latents = _in_turns(device, pipeline, tasks, steps, size, rounds)
    _check_same(latents)
    what = f"{steps} guided steps of {shape} at {size}×{size} on {device_name(device)}"
    for side in ("vxa", *PEERS):
        ratio = median(seconds[side]) / median(seconds["untraced"])
        times = {f"{one} s": seconds[one] for one in ("untraced", side)}
        yield Row(f"{what}, {side} / untraced", ratio, "×", 1.03 if side == "vxa" else None, times)
        if peaks[side]:
            added = max(peaks[side]) - max(peaks["untraced"])
            memory = {f"{one} MB": peaks[one] for one in ("untraced", side)}
            yield Row(
                f"{what}, peak memory that {side} adds", added, "MB", 64 if side == "vxa" else None, memory
            )


def check_device(device: str) -> None:
    """Exit with a sentence unless torch can compute there."""
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first = str(error).strip().splitlines()[0]
        raise SystemExit(
            f"the part device needs a device that this torch has, and {device!r} is none ({first}); "
            "name another by --device, or leave the part out"
        ) from None


def device_name(device: str) -> str:
    """Return the accelerator's name."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def _pipeline(device: str, shape: str) -> Any:
    if device == "cpu":
        return sd15(NARROW)
    return SHAPES[shape]().to(device, torch.float16)


def _in_turns(
    device: str,
    pipeline: Any,
    tasks: dict[str, Callable[[Callable[[], object]], object]],
    steps: int,
    size: int,
    rounds: int,
) -> tuple[dict[str, list[float]], dict[str, list[float]], dict[str, torch.Tensor]]:
    """Return seconds and peak megabytes of each side's generations, A B A B …, and the latents of its last.

    A first round warms up and is not counted.
    """
    seconds: dict[str, list[float]] = {side: [] for side in tasks}
    peaks: dict[str, list[float]] = {side: [] for side in tasks}
    latents: dict[str, torch.Tensor] = {}
    for number in range(rounds + 1):
        for side, task in tasks.items():
            generate = generation(pipeline, steps, size)
            _start(device)
            start = time.perf_counter()
            task(lambda side=side, generate=generate: latents.update({side: generate()}))
            taken, peak = _finish(device, start)
            if number:
                seconds[side].append(taken)
                peaks[side] += peak
    return seconds, peaks, latents


def _start(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _finish(device: str, start: float) -> tuple[float, list[float]]:
    """Return the seconds since `start`, and the peak of the device's memory in MB where torch tells it."""
    if not device.startswith("cuda"):
        return time.perf_counter() - start, []
    torch.cuda.synchronize(device)
    return time.perf_counter() - start, [torch.cuda.max_memory_allocated(device) / 1e6]


def _check_same(latents: dict[str, torch.Tensor]) -> None:
    if not torch.equal(latents["untraced"], latents["vxa"]):
        raise SystemExit("tracing changed the image")
