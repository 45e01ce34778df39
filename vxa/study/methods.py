"""Methods that make a word's map, by name: ours, the peers as released and at their best, and baselines.

A method reads the evidence of a picture and thresholds its map into a mask at τ, a fraction of the maximum or
of the range. A peer without a threshold of its own gets τ = 0.4, the best in DAAM's table.

The maps of "default" were chosen on `dev` by `python benchmarks/papercut.py choices`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Literal

from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.heat_map import DEFAULT_THRESHOLD, EDGES_THRESHOLD, REFINED_THRESHOLD
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
    """A way to make a word's map and mask.

    Attributes:
        read: function from evidence and word to the map, float32 [h, w] over the image.
        cut: whether τ is a fraction of the maximum ("max") or of the range ("minmax").
        threshold: τ.
        about: description in a few words.
        tracks: tracks of the pictures that it can read.
    """

    read: Read
    cut: Cut
    threshold: float
    about: str
    tracks: tuple[Track, ...] = TRACKS

    def mask(self, values: Values) -> Mask:
        """Return this method's mask of a map, bool [h, w]; it never contains zeros of the map."""
        floor = float(values.min()) if self.cut == "minmax" else 0.0
        mask: Mask = (values >= floor + self.threshold * (float(values.max()) - floor)) & (values > 0)
        return mask


def _heat_map(source: Source, refine: bool) -> Read:
    """Return a reader of the heat map of some passes at the model's default sites."""
    return lambda evidence, word: source(evidence).heat_map(word, refine=refine).upsampled()


def _ours(source: Source, about: str, refine: bool = True, tracks: tuple[Track, ...] = TRACKS) -> Method:
    threshold = REFINED_THRESHOLD if refine else DEFAULT_THRESHOLD
    description = f"VXA: {about}, {'refined by self-attention' if refine else 'not refined'}"
    return Method(_heat_map(source, refine), "max", threshold, description, tracks)


def _default(evidence: Evidence) -> AttentionMaps:
    """Return the passes that VXA reads: the trace of a generated picture, else one pass."""
    return evidence.one_pass if evidence.trace is None else evidence.trace


def _on_steps(formula: peers.Formula) -> Read:
    return lambda evidence, word: formula(evidence.steps, word)


def _on_clean(formula: peers.Formula) -> Read:
    return lambda evidence, word: formula(evidence.clean, word)


def along_edges(read: Read) -> Read:
    """Return a reader of the same maps, filtered along the picture's edges."""
    return lambda evidence, word: evidence.edges(read(evidence, word))


_ONE_PASS, _NOISED, _INVERTED = (attrgetter(name) for name in ("one_pass", "noised", "inverted"))

METHODS: dict[str, Method] = {
    "default": _ours(_default, "all steps of a generation, one pass of any other picture"),
    "default, edges": Method(
        along_edges(_heat_map(_default, refine=True)), "max", EDGES_THRESHOLD,
        "VXA: the same, refined by self-attention, along the picture's edges",
    ),
    "cross-attention alone": _ours(_default, "the same", refine=False),
    "one pass": _ours(_ONE_PASS, "one pass of the finished picture", False, ("generated",)),
    "one pass, refined": _ours(_ONE_PASS, "one pass of the finished picture", True, ("generated",)),
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


def methods_for(methods: Mapping[str, Method], track: Track) -> dict[str, Method]:
    """Return the methods that can read pictures of the track."""
    return {name: method for name, method in methods.items() if track in method.tracks}


BEST, EDGES = " (best)", ", edges"
"""Suffixes of a peer's name: that peer at its best settings, and these along the picture's edges."""

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
"""Settings of each peer that are compared on `dev`, with every cut and τ.

The original extension gets pixels in [−1, 1] here, as its encoder expects."""

TUNED: dict[str, Mapping[str, Read]] = {
    **{peer + BEST: settings for peer, settings in SETTINGS.items()},
    **{
        peer + BEST + EDGES: {setting: along_edges(read) for setting, read in settings.items()}
        for peer, settings in SETTINGS.items()
    },
}
"""Settings to choose from on `dev`, by the name of the method that they make."""
