"""VXA's maps of one pass, not refined, on test beside the baselines.

Sites, pass and threshold are those that `choices` chose on dev, over rendered and generated pictures.
"""

from __future__ import annotations

from typing import Any

from tqdm import tqdm

from vxa import load
from vxa.maps.heat_map import DEFAULT_THRESHOLD
from vxa.models.protocol import Model
from vxa.papercut.nouns import NOUNS, held_out
from vxa.study import segmentation as seg
from vxa.study.untrained import untrained_model

PASSES = ((1, "none"), (50, "none"), (100, "matched"), (300, "none"), (300, "matched"), (500, "matched"))
"""Timestep and noise of the passes that are compared with the default one."""


def measure(scale: float) -> dict[str, Any]:
    """Score the maps, their baselines, and every choice of sites."""
    model = load("papercut")
    developed = list(tqdm(seg.cases(model, "dev", round(120 * scale)), "dev"))
    sites, threshold = model.default_sites, DEFAULT_THRESHOLD
    mapper = seg.site_mapper(sites)
    tested = list(tqdm(seg.cases(model, "test", round(200 * scale)), "test"))
    held = [case for case in tested if names_held_out(case)]
    untrained = list(tqdm(seg.cases(untrained_model(model), "test", round(60 * scale)), "untrained"))
    return {
        "sites": sites, "threshold": threshold, "dev": row(seg.score(developed, mapper, threshold)), "test":
        row(seg.score(tested, mapper, threshold)), "test_words_of_held_out_pairs": row(seg.score(held, mapper,
        threshold)), "shuffled_word": row(seg.score(tested, seg.shuffled_mapper(sites), threshold)),
        "untrained_network": row(seg.score(untrained, mapper, threshold)), "whole_image":
        row(seg.whole_image(tested)), "centre_prior": row(seg.score(tested, seg.centre_prior(developed))),
        "original_default_mid_block": row(seg.score(tested, seg.site_mapper("mid"), 0.5)),
        "by_noun_on_test": by_noun(tested, mapper, threshold),
        "other_passes": other_passes(model, round(60 * scale), mapper, threshold),
        "sites_on_dev": {at: row(seg.score(developed, seg.site_mapper(at))) for at in site_groups(model)},
    }  # fmt: skip


def site_groups(model: Model) -> list[str]:
    """Return all cross-attention blocks by name, after the groups of them."""
    cross = [site for site in model.sites if site.kind == "cross"]
    factors = sorted({site.factor for site in cross})
    blocks = dict.fromkeys(site.label for site in cross)
    return ["all", "down", "mid", "up", *(f"f{factor}" for factor in factors), *blocks]


def names_held_out(case: seg.Case) -> bool:
    """Test whether the case's noun names a thing in a colour that this noun never has in training."""
    named = [number for row in case.scene.parse.rows if row.form == case.noun for number in row.things]
    things = [case.scene.things[number] for number in named]
    return any(t.noun in NOUNS and t.colour and held_out(t.noun, t.colour) for t in things)


def by_noun(cases: list[seg.Case], mapper: seg.Mapper, threshold: float) -> dict[str, Any]:
    """Score every noun with at least five cases: mean IoU and pointing game."""
    groups: dict[str, list[seg.Case]] = {}
    for case in cases:
        groups.setdefault(case.noun, []).append(case)
    return {
        noun: row(seg.score(group, mapper, threshold))
        for noun, group in sorted(groups.items())
        if len(group) >= 5
    }


def other_passes(model: Model, count: int, mapper: seg.Mapper, threshold: float) -> dict[str, Any]:
    """Score the mapper on passes at other timesteps and noise, over `count` test scenes."""
    return {
        f"timestep {timestep}, {noise}": row(
            seg.score(seg.cases(model, "test", count, timestep=timestep, noise=noise), mapper, threshold)
        )
        for timestep, noise in PASSES
    }


def row(score: seg.Score) -> dict[str, Any]:
    """Return a score as the report has it."""
    return {
        "miou": round(score.miou, 4), "low": round(score.low, 4), "high": round(score.high, 4),
        "pointing": round(score.pointing, 4), "threshold": score.threshold, "cases": score.cases,
    }  # fmt: skip
