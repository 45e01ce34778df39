"""The causal check on arrays and captions with known answers."""

import re

import numpy as np
import pytest
from PIL import Image
from support.scenes import first_scenes, label

from vxa.study.causal import change, correlation, swapped
from vxa.study.segmentation import object_nouns


@pytest.mark.parametrize(
    ("caption", "word", "pattern"),
    [
        ("sky, cat, dog, cat", "cat", r"sky, (\w+), dog, \1"),
        ("three cacti in the snow", "cacti", r"three (?!cacti)\w+s in the snow"),
        ("two dotted fish", "fish", r"two dotted (?!fish)\w+s"),
        ("a dotted fish", "fish", r"a dotted (?!fish)\w+"),
        ("a girl wearing a hat and her dog", "girl", "a boy wearing a hat and his dog"),
        ("a boy with black hair", "hair", "a boy with black glasses"),
        ("an apple tree under a moon", "tree", r"a (?!tree)\w+ under a moon"),
        ("a cat on a catwalk", "cat", r"a (?!cat)\w+ on a catwalk"),
    ],
)
def test_another_noun_takes_the_words_place(caption, word, pattern):
    for seed in range(5):
        assert re.fullmatch(pattern, swapped(caption, word, seed))


def test_the_other_noun_is_neither_in_the_caption_nor_a_look_alike():
    captions = {swapped("a cat, a boat", "cat", seed) for seed in range(60)}
    assert len(captions) > 5
    assert not [text for text in captions if re.match("a (boat|dog|rabbit|sun|hat|girl),", text)]


def test_captions_of_the_world_stay_sentences():
    for sample in first_scenes():
        length = len(sample.caption.split()) - sample.caption.count("apple")
        for word in object_nouns(sample):
            for seed in range(3):
                text = swapped(sample.caption, word, seed)
                where = f"{word!r} in {label(sample)}: {text!r}"
                assert not re.search(rf"\b{word}\b", text), where
                assert not re.search(r"\ban [^aeiou]|\ba [aeiou]|  ", text), where
                assert len(text.split()) >= length, where


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
