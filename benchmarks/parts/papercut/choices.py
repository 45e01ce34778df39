"""Pass, sites, self-attention, power, threshold and edges of our maps: chosen on dev, on both tracks at once.

Each way has three figures: the mean IoU of its maps on rendered and on generated pictures, both at the one τ
that is best for their sum, and the correlation with what changes when the word is swapped (the causal check).
A rendered picture is read by one pass, a generated one by all steps of its generation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

import vxa
from vxa import load
from vxa.maps import refine as refining
from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.edges import EdgeFilter
from vxa.maps.heat_map import resized
from vxa.models.diffusers import DiffusersModel
from vxa.models.papercut import DEFAULT_SITES
from vxa.papercut import scene
from vxa.study import segmentation as seg
from vxa.study.causal import change, correlation, swapped
from vxa.study.evidence import made
from vxa.study.metrics import ious
from vxa.study.pictures import TRACKS, Picture, judged, rendered
from vxa.tracing.settings import Noise, PassSettings

FIRST = 1000
"""Seed of the first picture; the peers' settings are chosen on the seeds from 0."""

SITES = (
    DEFAULT_SITES, "OUT02,OUT03", "IN01,IN03,OUT02,OUT03", "IN01,OUT02,OUT03,OUT04,OUT05", "f2,IN01", "f1,f2",
    "all",
)  # fmt: skip
OWN = {"up": ("OUT04", "OUT05"), "OUT04": ("OUT04",), "all": ("IN01", "OUT04", "OUT05")}
POWERS = (1.0, 2.0, 3.0)
"""Powers of the mean over sites that are compared with `refine.POWER`."""

PASSES: dict[str, tuple[int, Noise]] = {
    "1, none": (1, "none"), "50, none": (50, "none"), "50, matched": (50, "matched"),
    "100, matched": (100, "matched"),
}  # fmt: skip
"""Timestep and noise of the pass on a rendered picture."""

DEFAULT_PASS = f"{PassSettings.timestep}, {PassSettings.noise}"

Values = NDArray[np.float32]
Figures = dict[str, dict[str, list[Any]]]


@dataclass(frozen=True)
class Way:
    """A way to make a map; `own` is the self-attention that refines it, "" for none."""

    at: str = DEFAULT_PASS
    sites: str = DEFAULT_SITES
    own: str = "up"
    power: float = refining.POWER
    edges: bool = False

    @property
    def name(self) -> str:
        """Name of the way in the report."""
        refined = f"self-attention {self.own}, power {self.power:g}" if self.own else "not refined"
        return f"t = {self.at}; {self.sites}; {refined}{'; edges' * self.edges}"


WAYS = (
    *(Way(sites=sites, own=own) for sites in SITES for own in ("", *OWN)),
    *(Way(at, own=own) for at in PASSES for own in ("", "up", "OUT04") if at != DEFAULT_PASS),
    *(Way(power=power) for power in POWERS),
    *(Way(own=own, edges=True) for own in ("", "up", "OUT04")),
)


@dataclass
class _Word:
    """A word of some maps, with what several ways share."""

    maps: AttentionMaps
    word: str

    @cached_property
    def _by_site(self) -> list[Values]:
        return [self.maps.heat_map(self.word, sites=site.label).values[None] for site in self.maps.sites]

    @cached_property
    def _gathered(self) -> dict[str, Values]:
        return {
            own: refining.gathered(
                self._by_site,
                [self.maps.records[site.name] for site in self.maps.self_sites if site.label in labels],
            )
            for own, labels in OWN.items()
        }

    def values(self, way: Way) -> Values:
        """Return the way's map over the image, edges left out."""
        if not way.own:
            return self.maps.heat_map(self.word, sites=way.sites).upsampled()
        numbers = [self.maps.sites.index(site) for site in self.maps.select_sites(way.sites)]
        joined = refining.joined(self._gathered[way.own][numbers], self.maps.extent, way.power)[0]
        return resized(joined, self.maps.image_size, self.maps.extent, "bicubic")


def measure(scale: float) -> dict[str, Any]:
    """Score every way, the best first."""
    model = load("papercut")
    found: Figures = defaultdict(lambda: defaultdict(list))
    for seed in tqdm(range(FIRST, FIRST + round(60 * scale)), "pictures"):
        _add_scores(found, *_rendered(model, seed))
        _add_scores(found, *_generated(model, seed), model=model)
    rows = {name: _row(figures) for name, figures in found.items()}
    ranked = sorted(rows, key=lambda name: -rows[name]["rendered"] - rows[name]["generated"])
    nouns = {track: len(found[ranked[0]][track]) for track in TRACKS}
    return {"nouns": nouns, **{name: rows[name] for name in ranked}}


def _rendered(model: DiffusersModel, seed: int) -> tuple[Picture, dict[str, AttentionMaps]]:
    picture = rendered(seed, "dev")
    passes = {
        name: vxa.visualize(model, picture.image, picture.caption, timestep, noise, self_attention="f1")
        for name, (timestep, noise) in PASSES.items()
    }
    return picture, passes


def _generated(model: DiffusersModel, seed: int) -> tuple[Picture, dict[str, AttentionMaps]]:
    shown = scene(seed, "dev")
    with vxa.trace(model, self_attention="f1") as trace:
        image = made(model, shown.caption, seed)
    return judged(image, shown), dict.fromkeys(PASSES, trace.maps[0])


def _add_scores(
    found: Figures, picture: Picture, passes: dict[str, AttentionMaps], model: DiffusersModel | None = None
) -> None:
    along_edges = EdgeFilter(picture.image, picture.image.size[::-1])
    for question in picture.questions:
        if question.kind != "noun":
            continue
        swap = model and made(model, swapped(picture.caption, question.word, picture.seed), picture.seed)
        for way, values in _maps(passes, question.word):
            values = along_edges(values) if way.edges else values
            found[way.name][picture.track].append(ious(values, question.truth, seg.THRESHOLDS))
            if swap is not None:
                found[way.name]["causal"].append(correlation(values, change(picture.image, swap)))


def _maps(passes: dict[str, AttentionMaps], word: str) -> Iterator[tuple[Way, Values]]:
    words = {name: _Word(maps, word) for name, maps in passes.items()}
    for way in WAYS:
        yield way, words[way.at].values(way)


def _row(figures: dict[str, list[Any]]) -> dict[str, Any]:
    means = {track: np.mean(figures[track], axis=0) for track in TRACKS}
    best = int(sum(means.values()).argmax())
    return {
        **{track: round(float(mean[best]), 4) for track, mean in means.items()},
        "threshold": seg.THRESHOLDS[best], "causal": round(float(np.mean(figures["causal"])), 4),
    }  # fmt: skip
