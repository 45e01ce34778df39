"""Sites, steps and refinement of our maps, chosen on dev: for generated pictures, and for finished ones.

Each way is a choice of these. All read the same pictures, on which no peer's settings were chosen, and each
is scored at its own best τ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

import vxa
from vxa import load
from vxa.attention.sums import SumRecord
from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.heat_map import resized
from vxa.maps.refine import refine_maps
from vxa.models.diffusers import DiffusersModel
from vxa.models.papercut import DEFAULT_SITES
from vxa.papercut import scene
from vxa.study import segmentation as seg
from vxa.study.evidence import GUIDANCE, STEPS
from vxa.study.metrics import ious, pointing
from vxa.study.pictures import Picture, judged, rendered

from .attention import row

FIRST = 1000
"""Seed of the first picture; the peers' settings were chosen on the seeds from 0."""

SITES = (DEFAULT_SITES, "f2,IN01", "f1,f2", "all")

MOST = 20
"""Number of the best ways in the report; those of the default sites and of the clean pass are all in it."""

RANGES = {
    "all steps": (0, 1, 2, 3), "steps 0-9": (0, 1), "steps 10-19": (2, 3), "steps 5-14": (1, 2),
    "steps 5-19": (1, 2, 3), "steps 10-14": (2,), "steps 15-19": (3,),
}  # fmt: skip
"""Quarters of the sampler's steps; the first is the noisiest."""

LEVELS = {
    "t = 100, 300, 500, 700, 900": (100, 300, 500, 700, 900), "t = 100, 300, 500": (100, 300, 500),
    "t = 1, 100, 200": (1, 100, 200), "t = 300": (300,),
}  # fmt: skip

Values = NDArray[np.float32]
Ways = Mapping[str, Callable[[str], Values]]


def measure_generated(scale: float) -> dict[str, Any]:
    """Score every way to make the maps of a picture while it is generated."""
    model = load("papercut")
    count = round(60 * scale)
    pictures = (_generated(model, seed) for seed in range(FIRST, FIRST + count))
    return _best(tqdm(pictures, "generated", count))


def measure_real(scale: float) -> dict[str, Any]:
    """Score every way to make the maps of a finished picture."""
    model = load("papercut")
    count = round(60 * scale)
    pictures = (_real(model, rendered(seed, "dev")) for seed in range(FIRST, FIRST + count))
    return _best(tqdm(pictures, "rendered", count))


def _generated(model: DiffusersModel, seed: int) -> tuple[Picture, Ways]:
    shown = scene(seed, "dev")
    model.pipeline.set_progress_bar_config(disable=True)
    with vxa.trace(model, bins=4, self_attention=True) as trace:
        image = model.pipeline(
            shown.caption, num_inference_steps=STEPS, guidance_scale=GUIDANCE,
            generator=torch.Generator("cpu").manual_seed(seed),
        ).images[0]  # fmt: skip
    clean = vxa.visualize(model, image, shown.caption, self_attention=True)
    traced = {name: _summed(trace.maps[0].of_bins(bins)) for name, bins in RANGES.items()}
    ways = {**_ways("clean", clean), **_further("clean", clean)}
    for name, maps in traced.items():
        ways |= _ways(name, maps)
        ways |= _further(name, maps)
        ways |= _ways(f"{name} through the clean pass", _through(clean, maps), (True,))
        ways |= _both(name, maps, clean)
    return judged(image, shown), ways


def _real(model: DiffusersModel, picture: Picture) -> tuple[Picture, Ways]:
    clean = vxa.visualize(model, picture.image, picture.caption, self_attention=True)
    passes = {
        name: vxa.attribute(model, picture.image, picture.caption, levels, self_attention=True)
        for name, levels in LEVELS.items()
    }
    passes["ddim"] = _summed(
        vxa.attribute(model, picture.image, picture.caption, inversion="ddim", self_attention=True)
    )
    ways = {**_ways("clean", clean), **_further("clean", clean)}
    for name, maps in passes.items():
        ways |= _ways(name, maps)
        ways |= _further(name, maps)
        ways |= _ways(f"{name} through the clean pass", _through(clean, maps), (True,))
        ways |= _both(name, maps, clean)
    return picture, ways


def _ways(name: str, maps: AttentionMaps, refining: tuple[bool, ...] = (False, True)) -> Ways:
    return {
        f"{name}, {sites}{', refined' if refine else ''}": _reader(maps, sites, refine)
        for sites in SITES
        for refine in refining
    }


def _reader(maps: AttentionMaps, sites: str, refine: bool) -> Callable[[str], Values]:
    return lambda word: maps.heat_map(word, sites=sites, refine=refine).upsampled()


def _both(name: str, maps: AttentionMaps, clean: AttentionMaps) -> Ways:
    """Return the ways that average two refined maps, each divided by its maximum."""
    pairs = [(_reader(maps, sites, True), _reader(clean, sites, True)) for sites in SITES]
    return {
        f"{name} and clean, {sites}, refined": lambda word, pair=pair: _mean(*(read(word) for read in pair))
        for sites, pair in zip(SITES, pairs, strict=True)
    }


def _mean(first: Values, second: Values) -> Values:
    return (first / first.max() + second / second.max()) / 2


def _further(name: str, maps: AttentionMaps) -> Ways:
    """Return two further ways: refined twice, and weighed by the word's share among the caption's words."""
    own = [maps.records[site.name] for site in maps.self_sites]
    size = maps.image_size

    @cache
    def once(word: str) -> Values:
        return maps.heat_map(word, sites=SITES[0], refine=True).values

    @cache
    def every() -> Values:
        return np.sum([once(word) for word in dict.fromkeys(found.text for found in maps.words)], axis=0)

    def twice(word: str) -> Values:
        return resized(refine_maps([once(word)[None]], own)[0], size, (1.0, 1.0), "bicubic")

    def share(word: str) -> Values:
        return resized(once(word) ** 2 / every(), size, (1.0, 1.0), "bicubic")

    return {f"{name}, {SITES[0]}, refined twice": twice, f"{name}, {SITES[0]}, refined, its share": share}


def _through(clean: AttentionMaps, maps: AttentionMaps) -> AttentionMaps:
    """Replace the maps' self-attention by that of the clean pass."""
    own = {site.name: clean.records[site.name] for site in clean.self_sites}
    return replace(maps, records={**maps.records, **own})


def _summed(maps: AttentionMaps) -> AttentionMaps:
    """Add up the maps' bins once, so that no question has to."""
    records = {}
    for name, record in maps.records.items():
        assert isinstance(record, SumRecord)
        total = record.sums.sum(0, keepdim=True)
        records[name] = replace(record, sums=total, passes=(sum(record.passes),))
    return replace(maps, records=records)


def _best(pictures: Iterable[tuple[Picture, Ways]]) -> dict[str, Any]:
    """Return the scores of the best ways and of the plainest, best first."""
    tables: dict[str, list[tuple[NDArray[np.float64], bool]]] = {}
    for picture, ways in pictures:
        for name, found in _scores(picture, ways):
            tables.setdefault(name, []).append(found)
    scores = {
        name: seg.summed(np.stack([by_tau for by_tau, _ in found]), [hit for _, hit in found])
        for name, found in tables.items()
    }
    ranked = sorted(scores, key=lambda name: -scores[name].miou)
    kept = [name for name in ranked if name in ranked[:MOST] or SITES[0] in name or name.startswith("clean")]
    return {"ways": len(ranked), **{name: row(scores[name]) for name in kept}}


def _scores(picture: Picture, ways: Ways) -> Iterator[tuple[str, tuple[NDArray[np.float64], bool]]]:
    for question in picture.questions:
        if question.kind == "noun":
            for name, read in ways.items():
                values = read(question.word)
                scores = ious(values, question.truth, seg.THRESHOLDS)
                yield name, (scores, pointing(values, question.truth))
