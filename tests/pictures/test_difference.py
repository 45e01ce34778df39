from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from support.maps import HEIGHT, WIDTH, one_token_maps

from vxa import SettingError, WordError
from vxa.pictures.colormaps import DIVERGING, coloured
from vxa.pictures.difference import signed_shade
from vxa.pictures.render import render

IMAGE = Image.new("RGB", (WIDTH, HEIGHT), (200, 100, 50))


def has(picture: Image.Image, shade: float) -> bool:
    """Return whether a large area of the picture (more than a row of its bar) has the shade's colour."""
    colour = coloured(np.array([[shade]]), DIVERGING)[0, 0].astype(int)
    return int((np.abs(np.asarray(picture).astype(int) - colour).max(axis=2) <= 1).sum()) > 4000


def test_a_difference_by_hand():
    values = np.array([[[0.5, 0.1]], [[0.1, 0.2]]], np.float32)
    shade, reach = signed_shade(values)
    np.testing.assert_allclose(shade, [[1.0, 0.375]], atol=1e-6)
    assert reach == pytest.approx(0.4)
    shade, reach = signed_shade(values, "absolute")
    np.testing.assert_allclose(shade, [[0.7, 0.45]], atol=1e-6)
    assert reach == 1.0
    shade, reach = signed_shade(np.ones((2, 1, 2), np.float32))
    assert (shade.tolist(), reach) == ([[0.5, 0.5]], 0.0)


def test_the_side_of_zero_is_told_by_the_colour():
    """Token 1 has 1/2 on the left and 1/7 on the right; the other tokens have 1/12 and 1/7."""
    maps = one_token_maps()
    more = render(maps, IMAGE, "difference", "hat#1", against="neck", opacity=1.0, resample="nearest")
    less = render(maps, IMAGE, "difference", "neck", against="hat#1", opacity=1.0, resample="nearest")
    assert (has(more, 1.0), has(more, 0.0)) == (True, False)
    assert (has(less, 1.0), has(less, 0.0)) == (False, True)
    assert more.size == less.size


def test_tokens_and_words_choose_the_same_and_blank_is_every_word():
    maps = one_token_maps()
    by_word = render(maps, IMAGE, "difference", "neck", against="hat#1")
    by_token = render(maps, IMAGE, "difference", tokens="3", against_tokens="1")
    assert by_word.tobytes() == by_token.tobytes()
    blank = render(maps, IMAGE, "difference", "neck")
    named = render(maps, IMAGE, "difference", "neck", against="")
    assert blank.tobytes() == named.tobytes() != by_word.tobytes()


def test_both_maps_share_one_scale():
    """On the left, neck is 1/12 and hat is 1/2, so neck is drawn at a sixth of the shared maximum."""
    settings = {"opacity": 1.0, "resample": "nearest"}
    picture = render(one_token_maps(), IMAGE, "difference", "hat#1", against="neck", **settings)
    faint = coloured(np.array([[1 / 6]]), "inferno")[0, 0].astype(int)
    assert (np.abs(np.asarray(picture).astype(int) - faint).max(axis=2) <= 1).sum() > 4000


@pytest.mark.parametrize(("size", "wide"), [((30, 90), True), ((90, 30), False), ((60, 60), False)])
def test_wide_images_stand_above_each_other(size: tuple[int, int], wide: bool):
    picture = render(one_token_maps(size=size), Image.new("RGB", size[::-1]), "difference", "neck")
    assert (picture.height > 3 * 640 * size[0] / size[1]) == wide


def test_what_is_compared_is_checked():
    maps = one_token_maps()
    with pytest.raises(WordError, match="'hta'"):
        render(maps, IMAGE, "difference", "hat", against="hta")
    with pytest.raises(SettingError, match="choose by one of them"):
        render(maps, IMAGE, "difference", "hat", against="neck", against_tokens="3")
    with pytest.raises(SettingError, match="'overlay' compares nothing"):
        render(maps, IMAGE, "overlay", "hat", against="neck")
