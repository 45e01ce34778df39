"""Every figure of the tab in a webui, against the original extension where a copy of it is given.

    python benchmarks/webui.py --webui ~/stable-diffusion-webui --original ~/original-extension
    python benchmarks/webui.py look further tab --webui … --scale 0.4

The webui runs on the CPU, one thread, over papercut, with a data folder of its own: nothing is written into
the installation. Times are CPU time of its process, both sides in turns in the same one; a generation beside
the idle extension is compared with one in a second webui that lacks it. All run on one and the same core.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before torch is loaded

from parts import REPORTS
from parts.measure import Row, add_parts, machine, on_one_core, table
from parts.webui.idle import idle, traced
from parts.webui.inside import further, look, tab
from parts.webui.place import Place
from rich.console import Console

REPORT = REPORTS / "webui.json"

PARTS: dict[str, Callable[[Place], list[Row]]] = {
    "look": look, "further": further, "tab": tab, "idle": idle, "traced": traced,
}  # fmt: skip


def main() -> None:
    """Measure the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_parts(parser, PARTS)
    parser.add_argument("--webui", type=Path, required=True, help="the folder of a webui that runs")
    parser.add_argument("--webui-python", type=Path, help="its Python; by default the one of its venv")
    parser.add_argument("--original", type=Path, help="a checkout of the original extension")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of rounds")
    parser.add_argument("--report", type=Path, default=REPORT)
    options = parser.parse_args()
    python = options.webui_python or options.webui / "venv" / "bin" / "python"
    on_one_core()
    with tempfile.TemporaryDirectory() as folder:
        place = Place(options.webui.resolve(), python, options.original, options.scale, Path(folder))
        with place:
            for part in options.parts or PARTS:
                rows = PARTS[part](place)
                report = json.loads(options.report.read_text("utf-8")) if options.report.exists() else {}
                report[part] = {"machine": machine(), "rows": [row.as_json() for row in rows]}
                options.report.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
                Console().print(table(rows))


if __name__ == "__main__":
    main()
