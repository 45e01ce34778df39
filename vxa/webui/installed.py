"""Check of the installation: the modules in memory must be those on disk, of one copy of the extension.

"Reload UI" runs an extension's scripts again, but its package stays in memory as it was first imported.
"""

from __future__ import annotations

from pathlib import Path

from vxa.webui import strings

__all__ = ["problem"]

_PACKAGE = Path(__file__).resolve().parents[1]


def problem(script: str | Path) -> str:
    """Return one sentence on why the script's extension cannot be used and what to do; blank if it can."""
    extension = Path(script).resolve().parents[1]
    if extension != _PACKAGE.parent:
        return strings.second_copy(str(_PACKAGE.parent), str(extension))
    return "" if _state(_PACKAGE) == _LOADED else strings.RESTART


def _state(package: Path) -> dict[str, tuple[int, int]]:
    """Return the size and modification time of every module on disk."""
    found = ((path, path.stat()) for path in package.rglob("*.py"))
    return {str(path): (status.st_size, status.st_mtime_ns) for path, status in found}


_LOADED = _state(_PACKAGE)
