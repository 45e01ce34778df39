"""Measurements of CPU time, with the sides in turns, and of resident memory."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import psutil

from parts.report import Samples


def use_one_core() -> None:
    """Keep this process, and those that it starts, on one core; without effect on macOS.

    The cores of a shared machine differ by a fifth.
    """
    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):
        process.cpu_affinity(process.cpu_affinity()[-1:])


def resident_megabytes() -> float:
    """Return this process's resident memory in MB, after free memory has been returned to the system.

    glibc keeps freed memory for later, and how much varies by tens of megabytes.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)
    return psutil.Process().memory_info().rss / 1e6


def cpu_seconds(task: Callable[[], object]) -> float:
    """Return the CPU time of one call: wall time would count the other work on a busy machine."""
    start = time.process_time()
    task()
    return time.process_time() - start


def time_in_turns(
    tasks: Mapping[str, Callable[[], object]], rounds: int, scale: float = 1
) -> dict[str, list[float]]:
    """Return CPU seconds times `scale` of every task, run A B A B …: a slower machine then slows them all."""
    samples: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            samples[name].append(scale * cpu_seconds(task))
    return samples


def time_in_steps(sides: Mapping[str, Callable[[Callable[[], None]], object]]) -> dict[str, list[float]]:
    """Return the CPU seconds of every side's steps, run a step of each in turns.

    A drift over minutes is then the same for all. Each side runs in a thread of its own, and calls the
    function that it receives at the end of each step. The time after its last step is one sample more.
    """
    samples: dict[str, list[float]] = {name: [] for name in sides}
    turns = {name: threading.Semaphore(0) for name in sides}
    queue = deque(sides)  # first the side that runs, then the next ones

    def pass_on() -> None:
        queue.rotate(-1)
        if queue:
            turns[queue[0]].release()

    def run(name: str) -> None:
        turns[name].acquire()
        start = time.thread_time()

        def end_step() -> None:
            nonlocal start
            samples[name].append(time.thread_time() - start)
            pass_on()
            turns[name].acquire()
            start = time.thread_time()

        try:
            sides[name](end_step)
        finally:
            samples[name].append(time.thread_time() - start)
            queue.remove(name)
            queue.rotate(1)
            pass_on()

    with ThreadPoolExecutor(len(sides)) as threads:
        running = [threads.submit(run, name) for name in sides]
        turns[queue[0]].release()
    for each in running:
        each.result()
    return samples


def time_on_both_clocks(tasks: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of every task, in turns: CPU time of this process, and wall time."""
    samples: dict[str, list[float]] = {
        f"{name} {clock} ms": [] for name in tasks for clock in ("CPU", "wall")
    }
    for _ in range(rounds):
        for name, task in tasks.items():
            start = time.perf_counter()
            samples[f"{name} CPU ms"].append(1e3 * cpu_seconds(task))
            samples[f"{name} wall ms"].append(1e3 * (time.perf_counter() - start))
    return samples


def ratio(samples: Samples, numerator: str, denominator: str) -> float:
    """Return the ratio of two sides' medians."""
    return median(samples[numerator]) / median(samples[denominator])
