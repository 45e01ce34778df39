"""Metrics on tiny arrays, computed by hand."""

import numpy as np
import pytest

from vxa.study.metrics import average_precision, bootstrap, iou, ious, leakage, paired, pointing

TRUTH = np.array([[1, 1, 0], [0, 0, 0]], bool)
VALUES = np.array([[1.0, 0.5, 0.6], [0.1, 0.0, 0.2]], np.float32)


def test_iou_by_hand():
    assert iou(np.array([[1, 0, 1], [0, 0, 0]], bool), TRUTH) == pytest.approx(1 / 3)
    assert iou(TRUTH, TRUTH) == 1
    assert iou(~TRUTH, TRUTH) == 0
    assert iou(np.zeros((2, 3), bool), np.zeros((2, 3), bool)) == 1


def test_ious_at_every_threshold_are_those_of_the_masks():
    thresholds = (0.05, 0.1, 0.2, 0.5, 0.55, 0.6, 0.9, 1.0)
    expected = [iou(t * VALUES.max() <= VALUES, TRUTH) for t in np.float32(thresholds)]
    assert ious(VALUES, TRUTH, np.float32(thresholds)) == pytest.approx(expected)
    assert ious(VALUES, TRUTH, (0.5,))[0] == pytest.approx(2 / 3)


def test_pointing_reads_the_peak():
    assert pointing(VALUES, TRUTH)
    assert not pointing(VALUES, ~TRUTH)


def test_bootstrap_encloses_the_mean_and_is_reproducible():
    scores = [0.0, 0.2, 0.4, 1.0] * 20
    mean, low, high = bootstrap(scores)
    assert mean == pytest.approx(0.4)
    assert low < mean < high
    assert bootstrap(scores) == (mean, low, high)
    assert bootstrap([0.5] * 9) == (0.5, 0.5, 0.5)


def test_ious_above_a_floor_are_those_of_the_rescaled_map():
    values = VALUES + 2
    assert ious(values, TRUTH, (0.3, 0.5), floor=2.0) == pytest.approx(
        ious(VALUES, TRUTH, (0.3, 0.5)), abs=1e-6
    )
    assert ious(values, TRUTH, (0.3,))[0] == pytest.approx(1 / 3)  # of the maximum, everything is marked


def test_average_precision_ranks_pixels():
    # Ranked: hit, miss, hit, so precision is 1 at the first half of the recall and 2/3 at the second.
    assert average_precision(VALUES, TRUTH) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(TRUTH.astype(np.float32), TRUTH) == 1


def test_leakage_is_the_share_on_others():
    others = np.array([[0, 0, 1], [1, 0, 0]], bool)
    assert leakage(np.array([[1, 0, 1], [1, 1, 0]], bool), others) == 0.5
    assert leakage(np.zeros((2, 3), bool), others) == 0


def test_a_paired_difference_resamples_images_not_words():
    ours, theirs = [0.5, 0.9, 0.4, 0.6], [0.4, 0.8, 0.3, 0.5]
    assert paired(ours, theirs, [0, 0, 1, 1]) == pytest.approx((0.1, 0.1, 0.1))
    mean, low, high = paired([1, 1, 1, 0], [0, 0, 0, 0], [7, 7, 7, 9])
    assert (mean, low, high) == (0.75, 0, 1)  # both pictures may be drawn twice
