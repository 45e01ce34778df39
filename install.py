"""Run by a webui when it starts: installs nothing, moves no pin, says in one line what is missing."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

# What the extension needs, all of which a webui brings along: the least version of each.
NEEDED = {"torch": (2, 0), "numpy": (1, 23), "pillow": (9, 5), "safetensors": (0, 3), "gradio": (3, 41)}
OLDEST_PYTHON = (3, 10)


def numbers(text: str) -> tuple[int, ...]:
    """Return the first two numbers of a version: (2, 13) of "2.13.0+cpu"."""
    parts = text.split("+")[0].split(".")[:2]
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in parts)


def problems() -> list[str]:
    """Return what is missing or too old, each in a few words; none where the extension can run."""
    found = []
    if sys.version_info[:2] < OLDEST_PYTHON:
        found.append(f"Python {sys.version_info[0]}.{sys.version_info[1]} is older than 3.10")
    for name, least in NEEDED.items():
        wanted = ".".join(map(str, least))
        try:
            have = version(name) or "0"  # None where the package's own description is broken
            if numbers(have) < least:
                found.append(f"{name} {have} is older than {wanted}")
        except PackageNotFoundError:
            found.append(f"{name} {wanted} or newer is missing")
    return found


if __name__ == "__main__" and problems():
    print(
        f"VXA: {'; '.join(problems())}. The webui brings these: update it, or install its requirements again."
    )
