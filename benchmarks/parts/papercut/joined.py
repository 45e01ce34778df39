"""Ways to join the sites of refined maps, chosen on dev: sites, self-attention, power and root.

Each way has three figures: the mean IoU of its maps on rendered and on generated pictures, both at the one τ
that is best for their sum, and the correlation with the change from swapping the word (the causal check).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

import vxa
from vxa import load
from vxa.maps import refine as refining
from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.heat_map import resized
from vxa.models.diffusers import DiffusersModel
from vxa.papercut import scene
from vxa.study import segmentation as seg
from vxa.study.causal import change, correlation, swapped
from vxa.study.evidence import made
from vxa.study.metrics import ious
from vxa.study.pictures import TRACKS, Picture, judged, rendered

from .choices import FIRST

SITES = ("IN01,OUT02,OUT03", "IN01,OUT02,OUT03,OUT04,OUT05", "IN01,IN03,OUT02,OUT03", "f1,f2", "OUT02,OUT03")
OWN = {"up": ("OUT04", "OUT05"), "all": ("IN01", "OUT04", "OUT05")}
SHAPES = tuple(product((1.0, 1.5, 2.0, 3.0), (1.0, 0.5)))
"""The power of the mean over sites, and the exponent of the map: a root does not move its masks."""

Values = NDArray[np.float32]
Figures = dict[str, dict[str, list[Any]]]


def measure(scale: float) -> dict[str, Any]:
    """Score every way, the best first."""
    model = load("papercut")
    count = round(60 * scale)
    found: Figures = defaultdict(lambda: defaultdict(list))
    for seed in tqdm(range(FIRST, FIRST + count), "pictures"):
        _add_scores(found, "rendered", *_rendered(model, seed))
        _add_scores(found, "generated", *_generated(model, seed), model=model)
    rows = {name: _row(figures) for name, figures in found.items()}
    ranked = sorted(rows, key=lambda name: -rows[name]["rendered"] - rows[name]["generated"])
    nouns = {track: len(found[ranked[0]][track]) for track in TRACKS}
    return {"nouns": nouns, **{name: rows[name] for name in ranked}}


def _rendered(model: DiffusersModel, seed: int) -> tuple[Picture, AttentionMaps]:
    picture = rendered(seed, "dev")
    return picture, vxa.visualize(model, picture.image, picture.caption, self_attention="f1")


def _generated(model: DiffusersModel, seed: int) -> tuple[Picture, AttentionMaps]:
    shown = scene(seed, "dev")
    with vxa.trace(model, self_attention="f1") as trace:
        image = made(model, shown.caption, seed)
    return judged(image, shown), trace.maps[0]


def _add_scores(
    found: Figures, track: str, picture: Picture, maps: AttentionMaps, model: DiffusersModel | None = None
) -> None:
    for question in picture.questions:
        if question.kind != "noun":
            continue
        changed = model and change(picture.image, made(model, *_swap(picture, question.word)))
        for name, values in _ways(maps, question.word):
            found[name][track].append(ious(values, question.truth, seg.THRESHOLDS))
            if changed is not None:
                found[name]["causal"].append(correlation(values, changed))


def _swap(picture: Picture, word: str) -> tuple[str, int]:
    return swapped(picture.caption, word, picture.seed), picture.seed


def _ways(maps: AttentionMaps, word: str) -> Iterator[tuple[str, Values]]:
    by_site = [maps.heat_map(word, sites=site.label).values[None] for site in maps.sites]
    numbers = {sites: [maps.sites.index(site) for site in maps.select_sites(sites)] for sites in SITES}
    for sites in SITES:
        yield f"{sites}; not refined", maps.heat_map(word, sites=sites).upsampled()
    for own, labels in OWN.items():
        records = [maps.records[site.name] for site in maps.self_sites if site.label in labels]
        found = refining.gathered(by_site, records)
        for (sites, chosen), (power, gamma) in product(numbers.items(), SHAPES):
            values = refining.joined(found[chosen], maps.extent, power)[0] ** gamma
            name = f"{sites}; self-attention {own}; power {power:g}, gamma {gamma:g}"
            yield name, resized(values, maps.image_size, maps.extent, "bicubic")


def _row(figures: dict[str, list[Any]]) -> dict[str, Any]:
    means = {track: np.mean(figures[track], axis=0) for track in TRACKS}
    best = int(sum(means.values()).argmax())
    return {
        **{track: round(float(mean[best]), 4) for track, mean in means.items()},
        "threshold": seg.THRESHOLDS[best], "causal": round(float(np.mean(figures["causal"])), 4),
    }  # fmt: skip
