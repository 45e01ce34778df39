"""The guided filter, against a loop over windows, and masks that follow a picture's edges."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vxa.errors import SettingError
from vxa.maps import edges
from vxa.maps.heat_map import EDGES_THRESHOLD, HeatMap
from vxa.maps.region import Region

FULL = (1.0, 1.0)


def by_loops(values, picture, radius):
    """Fit every window by least squares with a ridge of ε per pixel, and average the fits of all windows."""
    guide = np.asarray(picture, np.float64) / 255
    height, width = values.shape
    slopes, offsets = np.zeros((height, width, 3)), np.zeros((height, width))

    def window(y, x):
        return np.s_[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1]

    for y in range(height):
        for x in range(width):
            colours, target = guide[window(y, x)].reshape(-1, 3), values[window(y, x)].ravel()
            centred = colours - colours.mean(0)
            ridge = edges.EPSILON * len(target) * np.eye(3)
            slope = np.linalg.solve(centred.T @ centred + ridge, centred.T @ (target - target.mean()))
            slopes[y, x], offsets[y, x] = slope, target.mean() - slope @ colours.mean(0)
    result = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            slope = slopes[window(y, x)].reshape(-1, 3).mean(0)
            result[y, x] = slope @ guide[y, x] + offsets[window(y, x)].mean()
    return np.maximum(result, 0)


def two_halves(height, width):
    """Draw red left of the middle and blue right of it."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = pixels[:, width // 2 :, 2] = 200
    return pixels


def test_the_filter_equals_a_loop_over_windows():
    rng = np.random.default_rng(0)
    values = rng.random((20, 28), dtype=np.float32)
    picture = Image.fromarray(rng.integers(0, 256, (20, 28, 3), dtype=np.uint8))
    radius = round(edges.RADIUS * 28)
    assert radius == 1
    assert np.abs(edges.follow_edges(values, picture) - by_loops(values, picture, radius)).max() < 1e-4


def test_a_mask_ends_at_the_pictures_edge():
    """The map's edge is 2 pixels off the picture's; with the picture it is on it."""
    values = np.zeros((128, 192), np.float32)
    values[:, :94] = 1
    heat, picture = HeatMap(values, (128, 192), FULL), two_halves(128, 192)
    truth = picture[..., 0] > 0
    assert (heat.mask() != truth).sum() == 2 * 128
    assert np.array_equal(heat.mask(edges=picture, threshold=0.5), truth)
    assert np.array_equal(heat.mask(edges=Image.fromarray(picture), threshold=0.5), truth)
    assert np.array_equal(heat.mask(edges=picture), heat.mask(edges=picture, threshold=EDGES_THRESHOLD))


def test_large_pictures_are_fitted_in_small():
    """Three times the pixels of `LONGEST`: the edge is still the full picture's own."""
    height, width = 40, 3 * edges.LONGEST
    values = np.zeros((height, width), np.float32)
    values[:, : width // 2 - 12] = 1
    mask = edges.follow_edges(values, Image.fromarray(two_halves(height, width))) > 0.5
    assert np.array_equal(mask, two_halves(height, width)[..., 0] > 0)


def test_a_mask_stays_inside_its_region():
    heat = HeatMap(np.ones((4, 4), np.float32), (64, 96), FULL, region=Region(0, 0, 30, 64))
    assert not heat.mask(edges=two_halves(64, 96), threshold=0.1)[:, 30:].any()


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((64, 95, 3), np.uint8), "64×95"),
        ("a.png", "edges of a str cannot be followed"),
        (True, "edges of a bool cannot be followed"),
        (np.zeros((64, 96, 3), np.float32), "edges of a ndarray cannot be followed"),
    ],
)
def test_what_is_no_picture_of_the_map_is_refused(picture, message):
    with pytest.raises(SettingError, match=message):
        HeatMap(np.ones((4, 4), np.float32), (64, 96), FULL).mask(edges=picture)
