"""Ways to make a word's map, by name: ours, the peers as released and at their best, and the baselines.

A method reads the evidence of a picture and cuts its map into a mask at τ, of the maximum or of the range.
Where a peer has no threshold of its own it is given τ = 0.4, the best in DAAM's table.

What "default" reads was chosen on `dev` by `python benchmarks/papercut.py maps_generated maps_real`, each
way at its own best τ. Of a generation its steps, all of them, refined, at the sites of a single pass: 0.637
(0.599–0.672, 125 nouns), where one clean pass of the finished picture reads 0.628; of 136 ways the best was
0.650, of the later steps alone, within the noise. Of any other picture one clean pass: 0.711 (0.683–0.739,
138 nouns); the best of 100 ways, of several passes, was 0.742. τ is what `joined` chose of both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Literal

from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.heat_map import DEFAULT_THRESHOLD, REFINED_THRESHOLD
from vxa.study import baselines, peers
from vxa.study.evidence import Evidence
from vxa.study.metrics import Mask
from vxa.study.peers import Values
from vxa.study.pictures import TRACKS, Track

Cut = Literal["max", "minmax"]
Read = Callable[[Evidence, str], Values]
Source = Callable[[Evidence], AttentionMaps]


@dataclass(frozen=True)
class Method:
    """One way to make a word's map and mask.

    Attributes:
        read: evidence and word to the map, float32 [h, w] over the image.
        cut: whether τ is a fraction of the maximum or of the range.
        threshold: τ.
        about: what it is, in a few words.
        tracks: the pictures that it can be asked about.
    """

    read: Read
    cut: Cut
    threshold: float
    about: str
    tracks: tuple[Track, ...] = TRACKS

    def mask(self, values: Values) -> Mask:
        """The mask that this method draws of its map."""
        floor = float(values.min()) if self.cut == "minmax" else 0.0
        mask: Mask = (values >= floor + self.threshold * (float(values.max()) - floor)) & (values > 0)
        return mask


def _mapped(source: Source, refine: bool) -> Read:
    """The heat map of some passes at the model's default sites."""
    return lambda evidence, word: source(evidence).heat_map(word, refine=refine).upsampled()


def _ours(source: Source, about: str, refine: bool = True, tracks: tuple[Track, ...] = TRACKS) -> Method:
    threshold = REFINED_THRESHOLD if refine else DEFAULT_THRESHOLD
    told = f"VXA: {about}, {'refined by self-attention' if refine else 'not refined'}"
    return Method(_mapped(source, refine), "max", threshold, told, tracks)


def _seen(evidence: Evidence) -> AttentionMaps:
    """What VXA reads of a picture: the steps of the generation that it saw, or else one clean pass."""
    return evidence.clean if evidence.trace is None else evidence.trace


def _on_steps(formula: peers.Formula) -> Read:
    return lambda evidence, word: formula(evidence.steps, word)


def _on_clean(formula: peers.Formula) -> Read:
    return lambda evidence, word: formula(evidence.clean, word)


_CLEAN, _NOISED, _INVERTED = (attrgetter(name) for name in ("clean", "noised", "inverted"))

METHODS: dict[str, Method] = {
    "default": _ours(_seen, "all steps of a generation, one clean pass of any other picture"),
    "cross-attention alone": _ours(_seen, "the same", refine=False),
    "clean": _ours(_CLEAN, "one clean pass of the finished picture", False, ("generated",)),
    "clean, refined": _ours(_CLEAN, "one clean pass of the finished picture", True, ("generated",)),
    "noise": _ours(_NOISED, "attribute, matched noise", False, ("rendered",)),
    "noise, refined": _ours(_NOISED, "attribute, matched noise", True, ("rendered",)),
    "inversion": _ours(_INVERTED, "attribute, DDIM inversion", False, ("rendered",)),
    "inversion, refined": _ours(_INVERTED, "attribute, DDIM inversion", True, ("rendered",)),
    "vxa": Method(
        lambda evidence, word: peers.original(evidence.dimmed, word),
        "max", 0.4, "the original extension: mid block, pixels in [0, 1]",
    ),
    "daam": Method(_on_steps(peers.daam), "minmax", 0.4, "daam 0.2.0"),
    "kousw": Method(_on_steps(peers.kousw), "minmax", 0.4, "stable-diffusion-webui-daam"),
    "attention-map-diffusers": Method(
        _on_steps(peers.attention_map_diffusers), "minmax", 0.4, "attention-map-diffusers 1.0.0"
    ),
    "whole image": Method(baselines.whole, "max", 0.5, "everything marked"),
    "centre": Method(
        baselines.centre, "max", baselines.CENTRE_THRESHOLD, "the mean mask of dev's objects"
    ),
    "another word": Method(
        baselines.another_word, "max", REFINED_THRESHOLD, "ours, of another word of the caption"
    ),
    "untrained": Method(
        baselines.untrained, "max", REFINED_THRESHOLD, "ours, of the same network with random weights"
    ),
}  # fmt: skip

_PLACES = ("all", "down", "up", "f1", "f2", "f1,f2", "f2,IN01", "IN01,OUT02,OUT03")


def serving(methods: Mapping[str, Method], track: Track) -> dict[str, Method]:
    """Those of the methods that can be asked about pictures of the track."""
    return {name: method for name, method in methods.items() if track in method.tracks}


BEST = " (best)"
"""Behind a peer's name: at its best settings."""

SETTINGS: dict[str, Mapping[str, Read]] = {
    "vxa": {
        site: _on_clean(partial(peers.original, sites=site))
        for site in ("IN01", "IN03", "IN05", "M00", "OUT00", "OUT01", "OUT02", "OUT03", "OUT04", "OUT05")
    },
    "daam": {sites: _on_steps(partial(peers.daam, sites=sites)) for sites in _PLACES},
    "kousw": {sites: _on_steps(partial(peers.kousw, sites=sites)) for sites in _PLACES},
    "attention-map-diffusers": {
        f"{sites}, {steps} steps": _on_steps(partial(peers.attention_map_diffusers, sites=sites, steps=steps))
        for sites in _PLACES
        for steps in ("last", "all")
    },
}
"""What of each peer is tried on `dev`, with every cut and τ; the original's pixels are put right."""
