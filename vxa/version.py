"""The version, and those of the libraries that maps are made with."""

from __future__ import annotations

import sys

__version__ = "0.1.0"

_VERSIONED = ("torch", "diffusers", "transformers")


def versions() -> dict[str, str]:
    """The versions of what makes maps, among what is loaded."""
    loaded = {name: getattr(sys.modules.get(name), "__version__", None) for name in _VERSIONED}
    return {"vxa": __version__, **{name: str(version) for name, version in loaded.items() if version}}
