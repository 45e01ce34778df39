"""The page's script, style and picture: beside the package in a checkout, inside it once installed."""

from __future__ import annotations

from pathlib import Path

__all__ = ["asset"]

# Resolved: webui users link extensions into their folder, and what is beside the link is not ours.
_HERE = Path(__file__).resolve()
_PACKAGED = _HERE.parent / "assets"
_CHECKOUT = _HERE.parents[2]


def asset(name: str) -> Path:
    """The path of "javascript/vxa.js", "style.css" or "examples/figure.png".

    Raises FileNotFoundError where the package is not whole.
    """
    # Beside an installed package there may be anybody's style.css, but no project file.
    folder = _CHECKOUT if (_CHECKOUT / "pyproject.toml").is_file() else _PACKAGED
    if not (folder / name).is_file():
        raise FileNotFoundError(f"{name} is not in {folder}; install vxa again, from a whole copy")
    return folder / name
