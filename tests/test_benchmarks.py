"""Each benchmark starts: it finds its imports, and describes itself."""

from __future__ import annotations

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
