"""The causal check on arrays and captions whose answers are known."""

import numpy as np
import pytest
from PIL import Image

from vxa.study.causal import change, correlation, without


@pytest.mark.parametrize(
    ("caption", "word", "left"),
    [
        ("girl, purple hair, dog", "dog", "girl, purple hair"),
        ("girl, purple hair, dog", "girl", "purple hair, dog"),
        ("cat, dog, cat", "cat", "dog"),
        ("a cat on a catwalk", "cat", "a on a catwalk"),
    ],
)
def test_a_word_is_taken_out_whole(caption, word, left):
    assert without(caption, word) == left


def test_change_is_the_mean_over_channels():
    before = Image.new("RGB", (2, 1), (255, 0, 0))
    after = before.copy()
    after.putpixel((1, 0), (0, 0, 255))
    assert change(before, after) == pytest.approx(np.array([[0, 2 / 3]]))


def test_correlation_is_pearsons():
    rng = np.random.default_rng(0)
    first, second = (rng.random((4, 5)).astype(np.float32) for _ in range(2))
    assert correlation(first, second) == pytest.approx(
        np.corrcoef(first.ravel(), second.ravel())[0, 1], abs=1e-6
    )
    assert correlation(first, np.ones_like(first)) == 0
