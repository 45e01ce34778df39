"""Maps of one pass, refined by self-attention, at the threshold that `choices` chose on dev."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm

from vxa import load
from vxa.maps.heat_map import REFINED_THRESHOLD
from vxa.study import segmentation as seg

from .attention import row


def measure(scale: float) -> dict[str, Any]:
    """Score the maps at the default sites, and at every τ on dev."""
    model = load("papercut")
    mapper = seg.site_mapper(model.default_sites, refine=True)
    developed = seg.cases(model, "dev", round(120 * scale), refine=True)
    tested = seg.cases(model, "test", round(200 * scale), refine=True)
    on_dev = seg.score(tqdm(developed, "dev"), mapper, REFINED_THRESHOLD)
    by_threshold = zip(seg.THRESHOLDS, on_dev.by_threshold, strict=True)
    return {
        "sites": model.default_sites, "threshold": REFINED_THRESHOLD, "dev": row(on_dev),
        "test": row(seg.score(tqdm(tested, "test"), mapper, REFINED_THRESHOLD)),
        "dev_by_threshold": {str(tau): round(float(miou), 4) for tau, miou in by_threshold},
    }  # fmt: skip
