"""Versions of VXA and of the libraries that it computes maps with."""

from __future__ import annotations

import sys

__version__ = "0.2.0"

_VERSIONED = ("torch", "diffusers", "transformers")


def versions() -> dict[str, str]:
    """Return the versions of VXA and of those of its libraries that are imported, by name."""
    loaded = {name: getattr(sys.modules.get(name), "__version__", None) for name in _VERSIONED}
    return {"vxa": __version__, **{name: str(version) for name, version in loaded.items() if version}}
