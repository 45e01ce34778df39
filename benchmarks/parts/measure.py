"""Measuring in CPU time, sides in turns, and the rows of a report."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import os
import platform
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy
import PIL
import psutil
import torch
from rich.table import Table

import vxa

Samples = Mapping[str, list[float]]


@dataclass(frozen=True)
class Row:
    """One figure and its bar.

    Attributes:
        name: what was measured, on what.
        measured: the figure, in `unit`.
        unit: "×", "%", "ms", "s", "MB".
        bar: the limit, in the same unit; None where the figure is only reported.
        at_least: whether the bar is a floor; else it is a ceiling.
        samples: every sample behind the figure, by side, with its unit in its name.
    """

    name: str
    measured: float
    unit: str
    bar: float | None
    samples: Samples
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the figure reaches its bar."""
        if self.bar is None:
            return None
        return self.measured >= self.bar if self.at_least else self.measured <= self.bar

    @property
    def limit(self) -> str:
        """The bar as people write it."""
        if self.bar is None:
            return "reported"
        return f"{'≥' if self.at_least else '≤'} {self.bar:g} {self.unit}"

    def as_json(self) -> dict[str, object]:
        """The row for the report."""
        samples = {side: [round(sample, 4) for sample in taken] for side, taken in self.samples.items()}
        return {
            "name": self.name,
            "measured": round(self.measured, 4),
            "unit": self.unit,
            "bar": self.limit,
            "met": self.met,
            "samples": samples,
        }


def on_one_core() -> None:
    """Keep this process, and those that it starts, on one core: those of a shared machine differ by a fifth.

    macOS has no such thing."""
    me = psutil.Process()
    if hasattr(me, "cpu_affinity"):
        me.cpu_affinity(me.cpu_affinity()[-1:])


def table(rows: Iterable[Row]) -> Table:
    """The rows for people."""
    drawn = Table("figure", "measured", "bar", "met", box=None, pad_edge=False)
    met = {True: "yes", False: "NO", None: ""}
    for row in rows:
        drawn.add_row(row.name, f"{row.measured:.3g} {row.unit}", row.limit, met[row.met])
    return drawn


def resident_megabytes() -> float:
    """The memory of this process that is resident now, when all that is free has been given back.

    glibc keeps what is free for later, tens of megabytes more or less from one look to the next.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)
    return psutil.Process().memory_info().rss / 1e6


def cpu_seconds(task: Callable[[], object]) -> float:
    """The CPU time of one call: on a busy machine the clock on the wall measures the neighbours."""
    start = time.process_time()
    task()
    return time.process_time() - start


def in_turns(
    tasks: Mapping[str, Callable[[], object]], rounds: int, scale: float = 1
) -> dict[str, list[float]]:
    """CPU seconds times `scale` of every task, A B A B …: when the machine slows down, it does so for all."""
    samples: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            samples[name].append(scale * cpu_seconds(task))
    return samples


def in_steps(sides: Mapping[str, Callable[[Callable[[], None]], object]]) -> dict[str, list[float]]:
    """CPU seconds of every side's steps, a step of each in turns: what drifts over minutes is in all alike.

    A side runs in a thread of its own, and calls what it is given at the end of each step. What comes after
    its last step is one sample more.
    """
    samples: dict[str, list[float]] = {name: [] for name in sides}
    turns = {name: threading.Semaphore(0) for name in sides}
    waiting = deque(sides)  # whose turn it is, and who comes next

    def pass_on() -> None:
        waiting.rotate(-1)
        if waiting:
            turns[waiting[0]].release()

    def run(name: str) -> None:
        turns[name].acquire()
        start = time.thread_time()

        def ended() -> None:
            nonlocal start
            samples[name].append(time.thread_time() - start)
            pass_on()
            turns[name].acquire()
            start = time.thread_time()

        try:
            sides[name](ended)
        finally:
            samples[name].append(time.thread_time() - start)
            waiting.remove(name)
            waiting.rotate(1)
            pass_on()

    with ThreadPoolExecutor(len(sides)) as threads:
        running = [threads.submit(run, name) for name in sides]
        turns[waiting[0]].release()
    for each in running:
        each.result()
    return samples


def on_both_clocks(tasks: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every task, in turns: of this process's CPUs, and on the wall."""
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
    """The ratio of two sides' medians."""
    return median(samples[numerator]) / median(samples[denominator])


def machine() -> dict[str, object]:
    """What the figures depend on."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "pillow": PIL.__version__,
        "vxa": vxa.__version__,
    }


def _cpu_name() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text("utf-8").splitlines() if facts.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def add_parts(parser: argparse.ArgumentParser, known: Collection[str]) -> None:
    """Let the command be given some of the bench's parts, by name; an unknown one is a usage error."""
    listed = ", ".join(known)
    offered = f"some of: {listed}; all by default"

    def part(name: str) -> str:
        if name not in known:
            raise argparse.ArgumentTypeError(f"{name!r} is no part; give some of: {listed}")
        return name

    parser.add_argument("parts", nargs="*", metavar="PART", type=part, help=offered)
