"""Pixel operations of rendering, on tiny arrays that are not square."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from vxa.errors import SettingError
from vxa.pictures.colormaps import DIVERGING, colormap, coloured
from vxa.pictures.shading import grey, masked, normalized, outlined, overlaid
from vxa.pictures.view import COLORMAPS

VALUES = np.array([[0.1, 0.2, 0.3], [0.2, 0.4, 0.1]], np.float32)
maps = arrays(np.float32, (3, 5), elements=st.floats(0, 1, width=32, allow_subnormal=False))


def test_max_divides_by_the_largest() -> None:
    shade, low, high = normalized(VALUES, "max")
    np.testing.assert_allclose(shade, [[0.25, 0.5, 0.75], [0.5, 1.0, 0.25]], rtol=1e-6)
    assert (low, high) == (0.0, pytest.approx(0.4))


def test_minmax_stretches_the_range() -> None:
    shade, low, high = normalized(VALUES, "minmax")
    np.testing.assert_allclose(shade, [[0, 1 / 3, 2 / 3], [1 / 3, 1, 0]], atol=1e-6)
    assert (low, high) == (pytest.approx(0.1), pytest.approx(0.4))


def test_absolute_shows_what_is_there() -> None:
    shade, low, high = normalized(VALUES, "absolute")
    np.testing.assert_array_equal(shade, VALUES)
    assert (low, high) == (0.0, 1.0)


def test_an_unknown_normalization_lists_the_known() -> None:
    with pytest.raises(SettingError, match=r"'sum'.*max, minmax, absolute"):
        normalized(VALUES, "sum")


@pytest.mark.parametrize("how", ["max", "minmax", "absolute"])
@given(values=maps)
@settings(deadline=None, max_examples=40)
def test_shades_stay_in_range_and_order(how: str, values: np.ndarray) -> None:
    shade = normalized(values, how)[0]
    assert shade.shape == values.shape
    assert shade.dtype == np.float32
    assert shade.min() >= 0
    assert shade.max() <= 1
    order = np.argsort(values, axis=None)
    assert np.all(np.diff(shade.ravel()[order]) >= 0)


def test_a_map_of_zeros_is_black() -> None:
    for how in ("max", "minmax"):
        assert not normalized(np.zeros((2, 3), np.float32), how)[0].any()


def test_grey_and_masked_by_hand() -> None:
    image = Image.new("RGB", (3, 1), (200, 100, 50))
    shade = np.array([[0.0, 0.5, 1.0]], np.float32)
    assert np.asarray(grey(shade))[0].tolist() == [[0] * 3, [128] * 3, [255] * 3]
    pixels = np.asarray(masked(image, shade))[0].astype(int)
    np.testing.assert_allclose(pixels, [[0, 0, 0], [100, 50, 25], [200, 100, 50]], atol=1)


@given(shade=maps)
@settings(deadline=None, max_examples=40)
def test_masked_is_the_product_within_one_level(shade: np.ndarray) -> None:
    image = np.arange(45, dtype=np.uint8).reshape(3, 5, 3) * 5
    pixels = np.asarray(masked(Image.fromarray(image), shade)).astype(float)
    assert np.abs(pixels - image * shade[..., None]).max() <= 1.01


def test_overlay_at_both_ends_of_opacity() -> None:
    image = Image.new("RGB", (3, 2), (10, 200, 90))
    shade = normalized(VALUES)[0]
    assert np.array_equal(overlaid(image, shade, "magma", 0.0), image)
    assert np.array_equal(overlaid(image, shade, "magma", 1.0), coloured(shade, "magma"))


def test_a_mask_is_outlined_and_its_outside_dimmed() -> None:
    image = Image.new("RGB", (60, 40), (200, 200, 200))
    mask = np.zeros((40, 60), bool)
    mask[10:30, 15:45] = True
    picture = np.asarray(outlined(image, mask, width=3)).astype(int)
    assert picture.shape == (40, 60, 3)
    assert picture[20, 30].tolist() == [200, 200, 200]
    assert picture[2, 2].max() < 150
    assert picture[20, 15, 2] < 80 < 200 < picture[20, 15, 0]  # yellow on the edge


def test_a_mask_of_everything_or_nothing_has_no_line() -> None:
    image = Image.new("RGB", (9, 7), (200, 200, 200))
    assert np.array_equal(outlined(image, np.ones((7, 9), bool), 3), image)
    assert len(np.unique(np.asarray(outlined(image, np.zeros((7, 9), bool), 3)))) == 1


def lightness(table: np.ndarray) -> np.ndarray:
    """Return CIE L* of each colour."""
    linear = np.where(table / 255 <= 0.04045, table / 255 / 12.92, ((table / 255 + 0.055) / 1.055) ** 2.4)
    return 116 * np.cbrt(np.maximum(linear @ [0.2126, 0.7152, 0.0722], 0.00886)) - 16


def test_the_colours_of_differences_are_as_dark_on_both_sides() -> None:
    assert DIVERGING not in COLORMAPS
    table = colormap(DIVERGING).astype(int)
    light = lightness(table)
    assert np.all(np.diff(light[:127:9]) > 0)
    assert np.abs(light - light[::-1]).max() < 6
    assert np.ptp(table[127:129]) < 6
    assert table[0, 2] - table[0, 0] > 100
    assert table[255, 0] - table[255, 2] > 100


@pytest.mark.parametrize("name", COLORMAPS)
def test_colour_maps_grow_lighter_evenly(name: str) -> None:
    table = colormap(name)
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    steps = np.diff(lightness(table)[::16])
    assert np.all(steps[1:] > 0)
    assert steps[2:].max() < 2 * steps[2:].mean()


def test_an_unknown_colour_map_lists_the_known() -> None:
    with pytest.raises(SettingError, match=r"'jet'.*inferno, magma, viridis"):
        colormap("jet")


def test_colours_of_values_out_of_range_are_the_ends() -> None:
    table = colormap("viridis")
    colours = coloured(np.array([[-1.0, 0.0, 1.0, 7.0, np.nan]]), "viridis")[0]
    assert [c.tolist() for c in colours] == [table[i].tolist() for i in (0, 0, 255, 255, 0)]
