"""Every figure of the page: how soon it answers, and what it keeps.

    python benchmarks/panel.py press further typing pages many
    python benchmarks/panel.py press --scale 0.2 --server-only       # fewer rounds, without Chromium

Over the embedded model, one thread of torch. Each part has its file in panel_parts and writes its rows into
benchmarks/panel.json, beside those of the other parts and with the machine they were measured on. Where a
clock is on the wall, other work on the machine is in the figure; its load is written down beside it.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before torch is loaded

import torch
from measure import Row, add_parts, machine, table
from panel_parts.desk import Options
from panel_parts.further import further
from panel_parts.keys import keys
from panel_parts.many import many
from panel_parts.pages import pages
from panel_parts.press import press
from rich.console import Console

REPORT = Path(__file__).parent / "panel.json"

PARTS: dict[str, Callable[[Options], list[Row]]] = {
    "press": press, "further": further, "typing": keys, "pages": pages, "many": many,
}  # fmt: skip


def main() -> None:
    """Measure the parts that are named, or all."""
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
