"""Metrics of a map against a mask.

iou(mask, truth)              intersection over union of two bool arrays [h, w]
pointing(values, truth)       whether the map's peak lies on the mask
average_precision(values, …)  the map as a ranking of pixels, without a threshold
leakage(mask, others)         the share of a mask that lies on other things
bootstrap(scores)             the mean with its 95 % interval
paired(ours, theirs)          the mean difference over the same cases, with its interval
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def iou(mask: Mask, truth: Mask) -> float:
    """Return the intersection over union of two bool arrays of one shape; 1 if both are empty."""
    union = np.logical_or(mask, truth).sum()
    return float(np.logical_and(mask, truth).sum() / union) if union else 1.0


def ious(
    values: NDArray[np.float32], truth: Mask, thresholds: Sequence[float], floor: float = 0.0
) -> NDArray[np.float64]:
    """Return the IoU of `values ≥ floor + τ·(max - floor)` for every τ, [len(thresholds)].

    A floor of 0 is the threshold of `HeatMap.mask`, the map's minimum that of min-max normalisation. One
    comparison per τ takes half the time of sorting the pixels once."""
    height = max(float(values.max()) - floor, np.finfo(np.float32).tiny)
    limits = floor + np.asarray(thresholds) * height
    hit, false = (
        np.array([np.count_nonzero(part >= limit) for limit in limits])
        for part in (values[truth], values[~truth])
    )
    scores: NDArray[np.float64] = hit / np.maximum(truth.sum() + false, 1)
    return scores


def pointing(values: NDArray[np.float32], truth: Mask) -> bool:
    """Return whether the highest value lies on the mask (pointing game, Zhang et al. 2016, no margin)."""
    return bool(truth.flat[int(values.argmax())])


def average_precision(values: NDArray[np.float32], truth: Mask) -> float:
    """Return the area under the precision-recall curve of the pixels ranked by `values`.

    It is scikit-learn's, without interpolation."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth.ravel(), values.ravel()))


def leakage(mask: Mask, others: Mask) -> float:
    """Return the share of `mask` that lies on `others`; 0 for an empty mask."""
    return float((mask & others).sum() / max(int(mask.sum()), 1))


def bootstrap(scores: Sequence[float], rounds: int = 1000, seed: int = 0) -> tuple[float, float, float]:
    """Return the mean of some scores and the 2.5th and 97.5th percentiles of its bootstrap distribution."""
    array = np.asarray(scores, dtype=np.float64)
    draws = np.random.default_rng(seed).integers(0, len(array), (rounds, len(array)))
    low, high = np.percentile(array[draws].mean(axis=1), (2.5, 97.5))
    return float(array.mean()), float(low), float(high)


def paired(
    ours: Sequence[float], theirs: Sequence[float], groups: Sequence[int], rounds: int = 1000, seed: int = 0
) -> tuple[float, float, float]:
    """Return the mean of `ours - theirs` over the same cases, with its 95 % interval.

    The bootstrap resamples images, not cases, since the cases of one image are not independent. `groups` is
    the image of each case."""
    difference = np.asarray(ours, np.float64) - np.asarray(theirs, np.float64)
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    sums, counts = np.bincount(index, difference), np.bincount(index)
    draws = np.random.default_rng(seed).integers(0, len(counts), (rounds, len(counts)))
    low, high = np.percentile(sums[draws].sum(1) / counts[draws].sum(1), (2.5, 97.5))
    return float(difference.mean()), float(low), float(high)
