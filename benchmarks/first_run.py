"""What a contributor waits for: the default tests, and the commands that should answer at once.

python benchmarks/first_run.py --report benchmarks/reports/first_run.json

CPU time (user and system, of the process and those it starts) on one core, since machines may be busy.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before torch is loaded

import psutil
from parts import ROOT
from parts.measure import use_one_core
from parts.report import Row, table, with_machine
from rich.console import Console

COMMANDS = {
    "vxa --version": (["-m", "vxa", "--version"], 0.4),
    "vxa show --help": (["-m", "vxa", "show", "--help"], None),
    "vxa tokens": (["-m", "vxa", "tokens", "a red hat"], None),
    "import vxa": (["-c", "import vxa"], None),
}
TESTS = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]


def cpu_seconds(arguments: list[str]) -> float:
    """Return the CPU seconds of a Python command, which must succeed."""
    process = psutil.Process()
    before = process.cpu_times()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    after = process.cpu_times()
    user, system = after.children_user - before.children_user, after.children_system - before.children_system
    return float(user + system)


def measure(rounds: int, tests: bool) -> list[Row]:
    """Return the least CPU time of each command, and that of one run of the default tests."""
    rows = []
    for name, (arguments, bar) in COMMANDS.items():
        samples = [cpu_seconds(arguments) for _ in range(rounds)]
        rows.append(Row(f"{name}, CPU time", min(samples), "s", bar, {"s": samples}))
    if tests:
        seconds = cpu_seconds(TESTS)
        rows.append(Row("the default tests, CPU time", seconds, "s", 90, {"s": [seconds]}))
    return rows


def main() -> None:
    """Measure, print the table, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each command; the least counts")
    parser.add_argument("--no-tests", action="store_true", help="leave the tests out")
    parser.add_argument("--report", type=Path, help="JSON file to write the figures into")
    options = parser.parse_args()
    use_one_core()
    rows = measure(options.rounds, not options.no_tests)
    Console().print(table(rows))
    if options.report:
        options.report.write_text(
            json.dumps(with_machine(rows), indent=1, ensure_ascii=False) + "\n", "utf-8"
        )


if __name__ == "__main__":
    main()
