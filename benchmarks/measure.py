"""Measuring in CPU time, sides in turns, and the rows of a report."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy
import PIL
import torch

import vxa

Samples = Mapping[str, list[float]]


@dataclass(frozen=True)
class Row:
    """One figure and its bar.

    Attributes:
        name: what was measured, on what.
        measured: the figure, in `unit`.
        unit: "×", "ms", "s", "MB".
        bar: the limit, in the same unit.
        at_least: whether the bar is a floor; else it is a ceiling.
        samples: every sample behind the figure, by side, with its unit in its name.
    """

    name: str
    measured: float
    unit: str
    bar: float
    samples: Samples
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure reaches its bar."""
        return self.measured >= self.bar if self.at_least else self.measured <= self.bar

    @property
    def limit(self) -> str:
        """The bar as people write it."""
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
