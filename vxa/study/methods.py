"""Ways to make a word's map, by name: ours, the peers as released and at their best, and the baselines.

A method reads the evidence of a picture and cuts its map into a mask at τ, of the maximum or of the range.
Where a peer has no threshold of its own it is given τ = 0.4, the best in DAAM's table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from vxa.heat_map import DEFAULT_THRESHOLD, REFINED_THRESHOLD
from vxa.study import peers
from vxa.study.evidence import Evidence
from vxa.study.metrics import Mask
from vxa.study.peers import Values

Cut = Literal["max", "minmax"]
Read = Callable[[Evidence, str], Values]


@dataclass(frozen=True)
class Method:
    """One way to make a word's map and mask.

    Attributes:
        read: evidence and word to the map, float32 [h, w] over the image.
        cut: whether τ is a fraction of the maximum or of the range.
        threshold: τ.
        about: what it is, in a few words.
    """

    read: Read
    cut: Cut
    threshold: float
    about: str

    def mask(self, values: Values) -> Mask:
        """The mask that this method draws of its map."""
        floor = float(values.min()) if self.cut == "minmax" else 0.0
        mask: Mask = (values >= floor + self.threshold * (float(values.max()) - floor)) & (values > 0)
        return mask


def one_pass(evidence: Evidence, word: str, refine: bool = False) -> Values:
    """`vxa.visualize` with its default sites."""
    return evidence.clean.heat_map(word, sites=evidence.model.default_sites, refine=refine).upsampled()


def refined(evidence: Evidence, word: str) -> Values:
    """The same, spread by self-attention over what belongs together."""
    return one_pass(evidence, word, refine=True)


def _whole(evidence: Evidence, word: str) -> Values:
    return np.ones(evidence.clean.image_size, np.float32)


def _shuffled(evidence: Evidence, word: str) -> Values:
    """The map of another word of the caption, drawn by the picture's seed."""
    others = [found.text for found in evidence.clean.words if found.text != word] or [word]
    return refined(evidence, str(np.random.default_rng(evidence.picture.seed).choice(others)))


def _on_steps(formula: peers.Formula) -> Read:
    return lambda evidence, word: formula(evidence.steps, word)


def _on_clean(formula: peers.Formula) -> Read:
    return lambda evidence, word: formula(evidence.clean, word)


METHODS: dict[str, Method] = {
    "default": Method(refined, "max", REFINED_THRESHOLD, "VXA: one clean pass, refined by self-attention"),
    "cross-attention alone": Method(one_pass, "max", DEFAULT_THRESHOLD, "VXA: one clean pass, not refined"),
    "vxa": Method(
        lambda evidence, word: peers.original(evidence.dimmed, word),
        "max", 0.4, "the original extension: mid block, pixels in [0, 1]",
    ),
    "daam": Method(_on_steps(peers.daam), "minmax", 0.4, "daam 0.2.0"),
    "kousw": Method(_on_steps(peers.kousw), "minmax", 0.4, "stable-diffusion-webui-daam"),
    "attention-map-diffusers": Method(
        _on_steps(peers.attention_map_diffusers), "minmax", 0.4, "attention-map-diffusers 1.0.0"
    ),
    "whole image": Method(_whole, "max", 0.5, "everything marked"),
    "another word": Method(_shuffled, "max", REFINED_THRESHOLD, "ours, of another word of the caption"),
}  # fmt: skip

_PLACES = ("all", "down", "up", "f1", "f2", "f1,f2", "f2,IN01")

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
