"""Make the README's pictures again, by the README's own commands: `python docs/make_pictures.py`."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent


def commands() -> list[list[str]]:
    """Every command of the README that writes into docs/pictures."""
    found = re.findall(r"`(vxa [^`]* -o docs/pictures/[^`]+)`", (ROOT / "README.md").read_text("utf-8"))
    return [shlex.split(command) for command in found]


if __name__ == "__main__":
    (ROOT / "docs" / "pictures").mkdir(exist_ok=True)
    for command in commands():
        subprocess.run(command, cwd=ROOT, check=True)
