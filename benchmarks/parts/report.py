"""Rows of a report: figures with their bars, as a table and as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy
import PIL
import torch
from rich.table import Table

import vxa

Samples = Mapping[str, list[float]]


@dataclass(frozen=True)
class Row:
    """One figure and its bar.

    Attributes:
        name: the quantity, and the work it was measured on.
        measured: the figure, in `unit`.
        unit: "×", "%", "ms", "s", "MB".
        bar: the limit, in the same unit; None if the figure is only reported.
        at_least: whether the bar is a lower limit; else it is an upper one.
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
        """The bar as text, such as "≤ 2 s"."""
        if self.bar is None:
            return "reported"
        return f"{'≥' if self.at_least else '≤'} {self.bar:g} {self.unit}"

    def as_json(self) -> dict[str, object]:
        """Return the row as the report has it."""
        samples = {side: [round(sample, 4) for sample in values] for side, values in self.samples.items()}
        return {
            "name": self.name,
            "measured": round(self.measured, 4),
            "unit": self.unit,
            "bar": self.limit,
            "met": self.met,
            "samples": samples,
        }


def table(rows: Iterable[Row]) -> Table:
    """Return the rows as a table for the terminal."""
    result = Table("figure", "measured", "bar", "met", box=None, pad_edge=False)
    met = {True: "yes", False: "NO", None: ""}
    for row in rows:
        result.add_row(row.name, f"{row.measured:.3g} {row.unit}", row.limit, met[row.met])
    return result


def write_part(path: Path, part: str, content: object) -> None:
    """Write a part into the JSON report at the path, and leave the other parts as they are."""
    # Read only now: another part may have been measured meanwhile.
    report = json.loads(path.read_text("utf-8")) if path.exists() else {}
    report[part] = content
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")


def with_machine(rows: Iterable[Row]) -> dict[str, object]:
    """Return rows as the report has them, with the machine that they were measured on."""
    return {"machine": machine(), "rows": [row.as_json() for row in rows]}


def machine() -> dict[str, object]:
    """Return the hardware, software and load that the figures depend on."""
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
    path = Path("/proc/cpuinfo")
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def add_parts(parser: argparse.ArgumentParser, parts: Collection[str]) -> None:
    """Add the argument that names the parts to measure; an unknown name is a usage error."""
    names = ", ".join(parts)

    def part(name: str) -> str:
        if name not in parts:
            raise argparse.ArgumentTypeError(f"{name!r} is no part; give some of: {names}")
        return name

    text = f"some of: {names}; all by default"
    parser.add_argument("parts", nargs="*", metavar="PART", type=part, help=text)
