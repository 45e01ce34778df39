"""Peak memory of a call, and of modules that run in a process of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parts import BENCHMARKS

__all__ = ["peak_megabytes", "run_module"]

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def run_module(name: str, argument: str) -> Any:
    """Run a module in a process of its own, and return the JSON that it prints last."""
    # glibc maps and returns every large block by itself: else the heap's history moves the peaks.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, "-m", name, argument]
    process = subprocess.run(
        command, cwd=BENCHMARKS, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(process.stdout.splitlines()[-1])


def peak_megabytes(task: Callable[[], object]) -> float | None:
    """Return how far a call raises resident memory, in MB; None without Linux's counters."""
    if not _CLEAR.exists():
        return None
    _CLEAR.write_text("5")  # resets the high-water mark to what is resident now
    before = _status("VmRSS")
    result = task()
    peak = _status("VmHWM") - before
    del result
    return peak


def _status(name: str) -> float:
    found = re.search(rf"{name}:\s+(\d+) kB", _STATUS.read_text("utf-8"))
    assert found
    return int(found[1]) * 1024 / 1e6
