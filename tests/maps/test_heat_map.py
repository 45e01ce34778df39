from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vxa.errors import SettingError
from vxa.maps.heat_map import DEFAULT_THRESHOLD, HeatMap


def make_heat(values: Any, extent: tuple[float, float] = (1.0, 1.0)) -> HeatMap:
    return HeatMap(np.array(values, np.float32), (8, 12), extent)


def test_values_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        make_heat([[1, 2]]).values[0, 0] = 3


def test_upsampled_to_the_image_by_default() -> None:
    heat = make_heat([[0, 1, 2], [3, 4, 5]])
    assert heat.upsampled().shape == (8, 12)
    assert heat.upsampled(5, 7).dtype == np.float32
    nearest = heat.upsampled(4, 6, resample="nearest")
    assert np.array_equal(nearest, np.kron([[0, 1, 2], [3, 4, 5]], np.ones((2, 2))))
    assert np.allclose(make_heat(np.full((2, 3), 0.25)).upsampled(9, 4), 0.25)


def test_the_padding_is_cropped_at_fractions_of_a_cell() -> None:
    values = [[1, 1, 9, 9], [1, 1, 9, 9], [7, 7, 7, 7]]
    heat = make_heat(values, extent=(2 / 3, 5 / 8))  # two rows, two and a half columns
    nearest = heat.upsampled(4, 10, resample="nearest")
    assert np.array_equal(nearest, np.repeat([[1, 1, 1, 1, 1, 1, 1, 1, 9, 9]], 4, axis=0))


def test_bicubic_follows_a_slope_and_never_goes_below_zero() -> None:
    rows = make_heat(np.repeat(np.arange(6.0)[:, None], 2, axis=1)).upsampled(12, 2)
    assert np.allclose(rows[4:8, 0], [1.75, 2.25, 2.75, 3.25], atol=1e-5)
    spike = make_heat([[0, 0, 0, 1, 0, 0, 0]]).upsampled(1, 70)
    assert spike.min() == 0
    assert spike.max() > 0.5


def test_mask_is_a_fraction_of_the_maximum() -> None:
    heat = make_heat([[0, 0.1, 0.2], [0.2, 0.3, 0.4]])
    full = heat.upsampled(6, 9)
    assert np.array_equal(heat.mask(6, 9, 0.5), full >= 0.5 * full.max())
    assert np.array_equal(heat.mask(6, 9), full >= DEFAULT_THRESHOLD * full.max())
    assert heat.mask().shape == (8, 12)
    assert heat.mask(6, 9, 0).sum() == (full > 0).sum()
    assert not make_heat([[0, 0]]).mask().any()


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_is_no_fraction(threshold: float) -> None:
    with pytest.raises(SettingError, match="give 0 to 1"):
        make_heat([[1]]).mask(threshold=threshold)


def test_sizes_and_resampling_that_are_not_allowed() -> None:
    with pytest.raises(SettingError, match="cannot be 0×5"):
        make_heat([[1]]).upsampled(0, 5)
    with pytest.raises(SettingError, match="use one of: bicubic, nearest"):
        make_heat([[1]]).upsampled(resample="cubic")  # type: ignore[arg-type]


def test_a_difference_has_its_sign_on_the_larger_grid() -> None:
    first = HeatMap(np.full((2, 3), 0.75, np.float32), (4, 6), (1.0, 1.0))
    second = HeatMap(np.array([[0.5, 1.0, 1.0]] * 4, np.float32).repeat(2, 1), (4, 6), (1.0, 1.0))
    apart = first - second
    assert apart.values.shape == (4, 6)
    assert np.allclose(apart.values[:, [0, 5]], [0.25, -0.25])
    assert np.allclose(apart.upsampled()[:, [0, 5]], [0.25, -0.25])
    assert apart.upsampled(8, 12).shape == (8, 12)
    with pytest.raises(SettingError, match=r"4×6 \(probability\) and 8×6 \(probability\) have no difference"):
        _ = first - HeatMap(first.values, (8, 6), (1.0, 1.0))
    refined = HeatMap(first.values, (4, 6), (1.0, 1.0), refined=True)
    with pytest.raises(SettingError, match=r"4×6 \(probability, refined\) have no difference; .* or neither"):
        _ = first - refined
