"""The folder of the weights that ship with the package."""

from __future__ import annotations

from pathlib import Path

from vxa.errors import ModelError

__all__ = ["WEIGHTS", "weights_folder"]

WEIGHTS = Path(__file__).parent / "weights"


def weights_folder() -> Path:
    """Return the diffusers folder in the package.

    Raises:
        ModelError: the package was installed without its weights.
    """
    if not (WEIGHTS / "model_index.json").is_file():
        raise ModelError(f"papercut's weights are not at {WEIGHTS}; install vxa again, from a whole copy")
    return WEIGHTS
