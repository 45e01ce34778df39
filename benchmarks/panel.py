"""Response times of the page, and the memory and files that it keeps.

    python benchmarks/panel.py press further typing pages many
    python benchmarks/panel.py press --scale 0.2 --server-only       # fewer rounds, without Chromium

The page runs over the embedded model, with one thread of torch. Each part is a file of parts/panel; its rows
replace its own in benchmarks/reports/panel.json, with the machine they were measured on. Other work on the
machine is part of a wall time; the report gives the machine's load.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before torch is loaded

import torch
from parts import REPORTS
from parts.measure import Row, add_parts, machine, table
from parts.panel.desk import Options
from parts.panel.further import further
from parts.panel.keys import keys
from parts.panel.many import many
from parts.panel.pages import pages
from parts.panel.press import press
from rich.console import Console

REPORT = REPORTS / "panel.json"

PARTS: dict[str, Callable[[Options], list[Row]]] = {
    "press": press, "further": further, "typing": keys, "pages": pages, "many": many,
}  # fmt: skip


def main() -> None:
    """Measure the parts named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_parts(parser, PARTS)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of rounds")
    parser.add_argument("--server-only", action="store_true", help="without the halves in Chromium")
    parser.add_argument("--report", type=Path, default=REPORT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for part in options.parts or PARTS:
        rows = PARTS[part](Options(options.scale, not options.server_only))
        report = json.loads(options.report.read_text("utf-8")) if options.report.exists() else {}
        report[part] = {"machine": machine(), "rows": [row.as_json() for row in rows]}
        options.report.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
        Console().print(table(rows))


if __name__ == "__main__":
    main()
