"""Scores and baselines, on maps whose truth is known."""

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
