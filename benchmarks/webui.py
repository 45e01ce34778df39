"""CPU time of the tab and of traced generations in a webui, against the original extension if it is given.

    python benchmarks/webui.py --webui ~/stable-diffusion-webui --original ~/original-extension
    python benchmarks/webui.py look further tab --webui … --scale 0.4

The webui runs papercut on the CPU, with one thread and a data folder of its own: nothing is written into the
installation. Times are CPU time of its process, both sides in turns in the same process; a generation beside
the idle extension is compared with one in a second webui without it. All run on the same core.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before torch is loaded

from parts import REPORTS
from parts.measure import use_one_core
from parts.report import Row, add_parts, table, with_machine, write_part
from parts.webui.generation import measure_idle, measure_traced
from parts.webui.inside import measure_further, measure_look, measure_tab
from parts.webui.installation import Installation
from rich.console import Console

PARTS: dict[str, Callable[[Installation], list[Row]]] = {
    "look": measure_look, "further": measure_further, "tab": measure_tab, "idle": measure_idle,
    "traced": measure_traced,
}  # fmt: skip


def main() -> None:
    """Measure the parts named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_parts(parser, PARTS)
    parser.add_argument("--webui", type=Path, required=True, help="folder of a webui that starts")
    parser.add_argument("--webui-python", type=Path, help="its Python; by default the one of its venv")
    parser.add_argument("--original", type=Path, help="a checkout of the original extension")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of rounds")
    parser.add_argument("--report", type=Path, default=REPORTS / "webui.json")
    options = parser.parse_args()
    python = options.webui_python or options.webui / "venv" / "bin" / "python"
    use_one_core()
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(
            options.webui.resolve(), python, options.original, options.scale, Path(folder)
        )
        with installation:
            for part in options.parts or PARTS:
                rows = PARTS[part](installation)
                write_part(options.report, part, with_machine(rows))
                Console().print(table(rows))


if __name__ == "__main__":
    main()
