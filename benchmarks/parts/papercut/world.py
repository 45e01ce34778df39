"""Difficulty of the world: scores of blind guesses, and sizes and numbers of its objects."""

from __future__ import annotations

from typing import Any

import numpy as np
from tqdm import tqdm

from vxa.papercut import Scene, scene
from vxa.study import segmentation as seg


def measure(scale: float) -> dict[str, Any]:
    """Measure the objects of test scenes, and score the baselines that need no model."""
    scenes = [scene(seed, "test") for seed in tqdm(range(round(1000 * scale)), "world")]
    truths = object_masks(scenes)
    centre = centre_prior(truths)
    named = [[thing for thing in shown.objects if thing.span] for shown in scenes]
    return {
        "scenes": len(scenes),
        "whole_image_miou": float(np.mean([truth.mean() for truth in truths])),
        "centre_prior_miou": centre.miou,
        "centre_prior_pointing": centre.pointing,
        "median_object_share": float(np.median([thing.mask.mean() for things in named for thing in things])),
        "scenes_with_two_objects": float(np.mean([len(things) >= 2 for things in named])),
    }


def object_masks(scenes: list[Scene]) -> list[np.ndarray]:
    """Return the mask of every object noun of every scene."""
    return [truth for shown in scenes for truth in seg.object_nouns(shown).values()]


def centre_prior(truths: list[np.ndarray]) -> seg.Score:
    """Score the mean mask of 300 train scenes as the map of every noun."""
    masks = object_masks([scene(seed, "train") for seed in range(300)])
    mean = np.mean(masks, axis=0, dtype=np.float32)
    table = np.stack([seg.ious(mean, truth, seg.THRESHOLDS) for truth in truths])
    return seg.summed(table, [seg.pointing(mean, truth) for truth in truths])
