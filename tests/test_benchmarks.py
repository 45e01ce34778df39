"""Each benchmark still starts: it finds what it imports, and says what it measures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
COMMANDS = sorted(path for path in BENCHMARKS.glob("*.py") if "parse_args()" in path.read_text("utf-8"))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda path: path.stem)
def test_it_says_what_it_measures(command: Path) -> None:
    said = subprocess.run([sys.executable, str(command), "--help"], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert "usage:" in said.stdout
