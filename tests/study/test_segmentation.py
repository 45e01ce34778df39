"""The bench itself: its cases, its baselines and its choice, on maps whose truth is known."""

from types import SimpleNamespace

import numpy as np
import pytest

from vxa.papercut import scene
from vxa.study import segmentation as seg


class KnownMaps:
    """Maps that answer with a mask: what a perfect, an empty and a wrong model would give."""

    image_size = (256, 256)

    def __init__(self, masks):
        self.masks = masks


def known_cases(count=6):
    for seed in range(count):
        shown = scene(seed, "dev")
        for noun, truth in seg.object_nouns(shown).items():
            yield seg.Case(shown, KnownMaps(seg.object_nouns(shown)), noun, truth)


def test_objects_are_neither_grounds_nor_compounds():
    for seed in range(60):
        shown = scene(seed, "dev")
        nouns = seg.object_nouns(shown)
        assert not set(nouns) & {"sky", "night", "wall", "grass", "sand", "snow", "apple"}
        assert all(mask.any() for mask in nouns.values())


def test_a_perfect_map_scores_one_and_a_whole_image_its_share():
    perfect = seg.score(known_cases(), lambda maps, noun: maps.masks[noun].astype(np.float32))
    assert perfect.miou == pytest.approx(1)
    assert perfect.pointing == 1
    whole = seg.whole_image(known_cases())
    assert whole.miou == pytest.approx(np.mean([case.truth.mean() for case in known_cases()]))
    assert whole.low <= whole.miou <= whole.high


def test_the_centre_prior_is_the_mean_mask():
    learned = list(known_cases())
    prior = seg.centre_prior(learned)(learned[0].maps, "anything")
    assert prior == pytest.approx(np.mean([case.truth for case in learned], axis=0))


def test_a_given_threshold_is_kept():
    score = seg.score(known_cases(2), lambda maps, noun: maps.masks[noun] * np.float32(0.7), threshold=0.4)
    assert score.threshold == 0.4
    assert score.miou == pytest.approx(1)


class SitedMaps(KnownMaps):
    """Each block has half of the truth or, IN03, all but it; a map is the mean of the blocks asked for."""

    labels = ("IN01", "IN03", "OUT02")
    site_labels = labels

    def select_sites(self, sites):
        wanted = self.labels if sites == "all" else sites.split(",")
        return [SimpleNamespace(label=label) for label in self.labels if label in wanted]

    def heat_map(self, noun, sites, refine):
        truth = self.masks[noun]
        first = truth & (np.cumsum(truth).reshape(truth.shape) * 2 < truth.sum())
        by_block = {"IN01": first, "IN03": ~truth, "OUT02": truth & ~first}
        values = np.mean([by_block[site.label] for site in self.select_sites(sites)], axis=0)
        return SimpleNamespace(upsampled=lambda: values.astype(np.float32))


def test_a_choice_of_sites_takes_in_a_block_that_helps_and_drops_one_that_does_not():
    developed = [
        seg.Case(case.scene, SitedMaps(case.maps.masks), case.noun, case.truth) for case in known_cases(3)
    ]
    for starts in (["all"], ["IN01"], ["all", "OUT02"]):
        sites, scores = seg.choose_sites(developed, starts)
        assert sites == "IN01,OUT02"
        assert scores[sites].miou == pytest.approx(1)
        assert set(starts) < set(scores)
