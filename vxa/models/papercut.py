"""The embedded model: papercut's pipeline, loaded from the package itself."""

from __future__ import annotations

from pathlib import Path

import vxa.papercut
from vxa.errors import ModelError
from vxa.models.diffusers import DiffusersModel, from_pretrained

FOLDER = Path(vxa.papercut.__file__).parent / "weights"

DEFAULT_SITES = "IN01,OUT02,OUT03"
"""Default sites, chosen on `dev` by benchmarks/papercut.py (attention) with vxa.maps.heat_map's threshold."""


def weights_folder() -> Path:
    """Return the diffusers folder in the package.

    Raises:
        ModelError: the package was installed without its weights.
    """
    if not (FOLDER / "model_index.json").is_file():
        raise ModelError(f"papercut's weights are not at {FOLDER}; install vxa again, from a whole copy")
    return FOLDER


def load() -> DiffusersModel:
    """Load the embedded model in float32 on the CPU. Raises ModelError as `weights_folder` does."""
    loaded = from_pretrained(str(weights_folder()))
    return DiffusersModel(loaded.pipeline, name="papercut", default_sites=DEFAULT_SITES)
