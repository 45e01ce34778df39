"""The embedded model: papercut's pipeline, loaded from the package itself."""

from __future__ import annotations

import torch

from vxa.models.diffusers import DiffusersModel
from vxa.models.loading import from_pretrained
from vxa.models.weight_files import Advance
from vxa.papercut.shipped import weights_folder

DEFAULT_SITES = "IN01,OUT02,OUT03"
"""Default sites, chosen on `dev` by benchmarks/papercut.py (choices) with vxa.maps.heat_map's thresholds."""


def load(dtype: torch.dtype = torch.float32, advance: Advance | None = None) -> DiffusersModel:
    """Load the embedded model onto the CPU. Raises ModelError as `weights_folder` does."""
    loaded = from_pretrained(str(weights_folder()), dtype, advance)
    return DiffusersModel(loaded.pipeline, name="papercut", default_sites=DEFAULT_SITES)
