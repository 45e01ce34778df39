"""How well a map finds a mask.

iou(mask, truth)              overlap over union, of two bool arrays [h, w]
pointing(values, truth)       whether the map's peak lies on the mask
bootstrap(scores)             the mean with its 95 % interval
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def iou(mask: Mask, truth: Mask) -> float:
    """Intersection over union of two bool arrays of one shape; 1 where both are empty."""
    union = np.logical_or(mask, truth).sum()
    return float(np.logical_and(mask, truth).sum() / union) if union else 1.0


def ious(values: NDArray[np.float32], truth: Mask, thresholds: Sequence[float]) -> NDArray[np.float64]:
    """The IoU of `values ≥ τ·max` for every τ [len(thresholds)], as `HeatMap.mask` draws its masks.

    One sort of the pixels serves all thresholds: the mask at τ is the head of the sorted list."""
    order = np.sort(values[truth])[::-1], np.sort(values[~truth])[::-1]
    limits = np.asarray(thresholds) * max(float(values.max()), np.finfo(np.float32).tiny)
    hit, false = (len(part) - np.searchsorted(part[::-1], limits, side="left") for part in order)
    scores: NDArray[np.float64] = hit / np.maximum(truth.sum() + false, 1)
    return scores


def pointing(values: NDArray[np.float32], truth: Mask) -> bool:
    """Whether the highest value lies on the mask (the pointing game, Zhang et al. 2016, no margin)."""
    return bool(truth.flat[int(values.argmax())])


def bootstrap(scores: Sequence[float], rounds: int = 1000, seed: int = 0) -> tuple[float, float, float]:
    """The mean of some scores and the 2.5th and 97.5th percentile of its bootstrap distribution."""
    array = np.asarray(scores, dtype=np.float64)
    draws = np.random.default_rng(seed).integers(0, len(array), (rounds, len(array)))
    low, high = np.percentile(array[draws].mean(axis=1), (2.5, 97.5))
    return float(array.mean()), float(low), float(high)
