"""Make the pictures of README and docs again, by the commands beside them: `python docs/make_pictures.py`."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands() -> list[list[str]]:
    """Return every command of the README and of docs that writes into docs/pictures."""
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    return [shlex.split(command) for command in re.findall(r"`(vxa [^`]* -o docs/pictures/[^`]+)`", text)]


if __name__ == "__main__":
    (ROOT / "docs" / "pictures").mkdir(exist_ok=True)
    for command in commands():
        subprocess.run(command, cwd=ROOT, check=True)
