"""Scores of one-pass maps as segmentations of papercut scenes.

Whatever is chosen is chosen on `dev` scenes. `test` scenes, some with pairs of colour and noun never seen in
training, are only reported. A score belongs to a (scene, object noun) pair: the noun's map against the
exact mask of everything it names. Grounds, and nouns inside a compound ("apple tree"), are not objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vxa.maps.attention_maps import AttentionMaps
from vxa.models.protocol import Model
from vxa.papercut import Scene, scene
from vxa.papercut.scene import Split
from vxa.study.metrics import Mask, bootstrap, ious, pointing
from vxa.tracing.settings import PassSettings
from vxa.tracing.visualize import visualize

THRESHOLDS = tuple(round(0.1 + 0.05 * i, 2) for i in range(17))
Mapper = Callable[[AttentionMaps, str], NDArray[np.float32]]


@dataclass(frozen=True)
class Case:
    """A scene with its maps, a noun of its caption, and the mask of everything the noun names."""

    scene: Scene
    maps: AttentionMaps
    noun: str
    truth: Mask


@dataclass(frozen=True)
class Score:
    """Figures of one way to make maps.

    `by_threshold` is the mean IoU at each of `THRESHOLDS`; `miou` is that at `threshold`, with its interval
    `low` to `high`; `pointing` is the share of hits in the pointing game."""

    by_threshold: NDArray[np.float64]
    threshold: float
    miou: float
    low: float
    high: float
    pointing: float
    cases: int


def object_nouns(sample: Scene) -> dict[str, Mask]:
    """Return the caption's object nouns with their masks [h, w]."""
    grounds = range(len(sample.grounds))
    names = {
        row.form
        for row in sample.parse.rows
        if row.upos == "NOUN" and row.relation != "compound" and row.things and row.things[0] not in grounds
    }
    return {name: sample.masks[name] for name in sorted(names)}


def cases(
    model: Model,
    split: Split,
    count: int,
    first: int = 0,
    timestep: int = PassSettings.timestep,
    noise: str = PassSettings.noise,
    refine: bool = False,
) -> Iterator[Case]:
    """Yield the cases of consecutive scenes, from one pass per scene that records every site."""
    for seed in range(first, first + count):
        sample = scene(seed, split)
        settings: dict[str, Any] = {"timestep": timestep, "noise": noise, "self_attention": refine}
        maps = visualize(model, sample.image, sample.caption, sites="all", **settings)
        for noun, truth in object_nouns(sample).items():
            yield Case(sample, maps, noun, truth)


def site_mapper(sites: str, refine: bool = False) -> Mapper:
    """Return a mapper to the noun's own map at some sites, over the image."""
    return lambda maps, noun: maps.heat_map(noun, sites=sites, refine=refine).upsampled()


def shuffled_mapper(sites: str, seed: int = 0) -> Mapper:
    """Return a mapper to the map of another, random word of the same caption: a chance baseline."""
    rng = np.random.default_rng(seed)

    def other(maps: AttentionMaps, noun: str) -> NDArray[np.float32]:
        words = [word.text for word in maps.words if word.text != noun] or [noun]
        return maps.heat_map(str(rng.choice(words)), sites=sites).upsampled()

    return other


def score(cases: Iterable[Case], mapper: Mapper, threshold: float | None = None) -> Score:
    """Score one mapper; without a threshold, at the one with the best mean."""
    rows, hits = [], []
    for case in cases:
        values = mapper(case.maps, case.noun)
        rows.append(ious(values, case.truth, THRESHOLDS))
        hits.append(pointing(values, case.truth))
    return summed(np.stack(rows), hits, threshold)


def summed(table: NDArray[np.float64], hits: Sequence[bool], threshold: float | None = None) -> Score:
    """Score a table of IoUs [cases, thresholds]; without a threshold, at the one with the best mean."""
    means = table.mean(axis=0)
    best = int(means.argmax()) if threshold is None else THRESHOLDS.index(threshold)
    miou, low, high = bootstrap(table[:, best].tolist())
    return Score(means, THRESHOLDS[best], miou, low, high, float(np.mean(hits)), len(table))


def whole_image(developed: Iterable[Case]) -> Score:
    """Score the baseline that marks the whole image."""
    return score(developed, lambda maps, noun: np.ones(maps.image_size, np.float32), threshold=0.5)


def centre_prior(cases: Sequence[Case]) -> Mapper:
    """Return a mapper to the mean mask of some cases, whatever the noun."""
    mean: NDArray[np.float32] = np.asarray(np.mean([case.truth for case in cases], axis=0), np.float32)
    return lambda maps, noun: mean
