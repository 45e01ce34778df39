"""Scenes of the papercut world for tests, each drawn once per run, on first use."""

from __future__ import annotations

from functools import cache

from vxa.papercut import Scene, scene
from vxa.papercut.scene import SPLITS

__all__ = ["SEEDS", "cached_scene", "first_scenes", "label"]

SEEDS = range(16)
"""Among these seeds are lists, sentences, numbers, pronouns, "next to", "apple tree" and "night sky"."""


@cache
def cached_scene(seed: int, split: str = "test") -> Scene:
    """Draw a scene, or return the one drawn before; tests share it and must not change it."""
    return scene(seed, split)


def first_scenes(*splits: str) -> list[Scene]:
    """Return the scenes of `SEEDS` in these splits, by default in all."""
    return [cached_scene(seed, split) for split in splits or SPLITS for seed in SEEDS]


def label(sample: Scene) -> str:
    """Name a scene in the message of an assertion."""
    return f"scene {sample.seed} of {sample.split}"
