from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from support.maps import traced_maps

from vxa.errors import ImageError, SettingError, WordError
from vxa.pictures.compare import compare


def test_a_run_against_itself_has_no_difference() -> None:
    maps = traced_maps()
    picture = np.asarray(compare(maps, maps, words="hat"))
    apart = np.asarray(compare(maps.at_steps("0-2"), maps.at_steps("3-4"), words="hat"))
    third = slice(picture.shape[1] * 2 // 3, None)
    # The runs do not differ, so the third picture is the grey area and both ends of its bar are 0.
    middle = picture[picture.shape[0] // 2, picture.shape[1] * 3 // 4]
    assert np.ptp(middle.astype(int)) <= 2
    assert not np.array_equal(picture[:, third], apart[:, third])


def test_each_run_is_over_its_own_image() -> None:
    maps = traced_maps()
    red, blue = (Image.new("RGB", (48, 32), colour) for colour in ("red", "blue"))
    plain = np.asarray(compare(maps, maps, red, blue, "hat", opacity=0.0))
    assert np.any(np.all(plain == (255, 0, 0), axis=2))
    assert np.any(np.all(plain == (0, 0, 255), axis=2))


def test_what_cannot_be_compared_is_refused() -> None:
    maps = traced_maps()
    with pytest.raises(SettingError, match=r"32×48 and 64×48 \(height×width\); compare two of one size"):
        compare(maps, replace(maps, image_size=(64, 48)), words="hat")
    with pytest.raises(ImageError, match="give the image they were made from"):
        compare(maps, maps, Image.new("RGB", (8, 8)), words="hat")
    with pytest.raises(WordError):
        compare(maps, maps, words="hat", against="cat")
