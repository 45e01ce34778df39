"""Scores, baselines and the choice of sites, on maps whose truth is known."""

from types import SimpleNamespace

import numpy as np
import pytest
from support.scenes import cached_scene, first_scenes, label

from vxa.study import segmentation as seg


class KnownMaps:
    """A stand-in for attention maps that holds the exact mask of each noun."""

    image_size = (256, 256)

    def __init__(self, masks):
        self.masks = masks


def known_cases(count=6):
    for seed in range(count):
        sample = cached_scene(seed, "dev")
        for noun, truth in seg.object_nouns(sample).items():
            yield seg.Case(sample, KnownMaps(seg.object_nouns(sample)), noun, truth)


def test_objects_are_neither_grounds_nor_compounds():
    for sample in first_scenes():
        nouns = seg.object_nouns(sample)
        assert not set(nouns) & {"sky", "night", "wall", "grass", "sand", "snow", "apple"}, label(sample)
        assert all(mask.any() for mask in nouns.values()), label(sample)


@pytest.mark.parametrize(
    ("seed", "caption", "nouns"),
    [
        (0, "a pink cup on the green grass under the night sky", {"cup"}),
        (
            11,
            "an apple tree to the right of a yellow flower and a brown balloon",
            {"tree", "flower", "balloon"},
        ),
    ],
)
def test_the_objects_of_a_caption_with_a_compound(seed, caption, nouns):
    sample = cached_scene(seed, "train")
    assert sample.caption == caption
    assert set(seg.object_nouns(sample)) == nouns


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
    """Maps of three blocks: IN01 and OUT02 hold half of the truth each, IN03 its complement.

    A heat map is the mean over the selected blocks."""

    labels = ("IN01", "IN03", "OUT02")
    site_labels = labels

    def select_sites(self, sites):
        names = self.labels if sites == "all" else sites.split(",")
        return [SimpleNamespace(label=label) for label in self.labels if label in names]

    def heat_map(self, noun, sites, refine):
        truth = self.masks[noun]
        first = truth & (np.cumsum(truth).reshape(truth.shape) * 2 < truth.sum())
        by_block = {"IN01": first, "IN03": ~truth, "OUT02": truth & ~first}
        values = np.mean([by_block[site.label] for site in self.select_sites(sites)], axis=0)
        return SimpleNamespace(upsampled=lambda: values.astype(np.float32))


def test_the_choice_of_sites_adds_a_block_that_helps_and_drops_one_that_does_not():
    developed = [
        seg.Case(case.scene, SitedMaps(case.maps.masks), case.noun, case.truth) for case in known_cases(3)
    ]
    for starts in (["all"], ["IN01"], ["all", "OUT02"]):
        sites, scores = seg.choose_sites(developed, starts)
        assert sites == "IN01,OUT02"
        assert scores[sites].miou == pytest.approx(1)
        assert set(starts) < set(scores)
