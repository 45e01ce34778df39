"""Response times of the page, and the memory and files that it keeps.

    python benchmarks/panel.py press further typing pages many
    python benchmarks/panel.py press --scale 0.2 --server-only       # fewer rounds, without Chromium

The page runs over the embedded model, with one thread of torch. Each part is a file of parts/panel; its rows
replace its own in benchmarks/reports/panel.json, with the machine they were measured on. Other work on the
machine is part of a wall time; the report gives the machine's load.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before torch is loaded

import torch
from parts import REPORTS
from parts.panel import further, many, pages, press, typing
from parts.panel.harness import Options
from parts.report import Row, add_parts, table, with_machine, write_part
from rich.console import Console

PARTS: dict[str, Callable[[Options], list[Row]]] = {
    "press": press.measure, "further": further.measure, "typing": typing.measure, "pages": pages.measure,
    "many": many.measure,
}  # fmt: skip


def main() -> None:
    """Measure the parts named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_parts(parser, PARTS)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of rounds")
    parser.add_argument("--server-only", action="store_true", help="without the measurements in Chromium")
    parser.add_argument("--report", type=Path, default=REPORTS / "panel.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for part in options.parts or PARTS:
        rows = PARTS[part](Options(options.scale, not options.server_only))
        write_part(options.report, part, with_machine(rows))
        Console().print(table(rows))


if __name__ == "__main__":
    main()
