"""Each benchmark starts: it finds its imports, and describes itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
COMMANDS = sorted(BENCHMARKS.glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=lambda path: path.stem)
def test_help_describes_the_command(command: Path) -> None:
    process = subprocess.run([sys.executable, str(command), "--help"], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert "usage:" in process.stdout


@pytest.mark.slow
def test_the_memory_of_a_gpu_is_not_measured_without_one() -> None:
    command = [sys.executable, str(BENCHMARKS / "memory.py")]
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.run(command, capture_output=True, text=True, env=hidden)
    assert process.returncode == 2
    assert "there is no CUDA device here" in process.stderr
