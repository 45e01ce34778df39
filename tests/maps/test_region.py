"""Maps of a part of an image stand in their box."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.maps import made_maps

import vxa
from vxa.errors import MapsFileError
from vxa.maps.heat_map import HeatMap
from vxa.maps.region import Region, fitted_region

FULL = (1.0, 1.0)


def test_values_in_the_box_and_zero_around_it() -> None:
    """A grid of 2 × 3 in a box of 4 × 6 pixels; the image has 8 × 10."""
    values = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    heat = HeatMap(values, (8, 10), FULL, region=Region(3, 1, 9, 5))
    plane = heat.upsampled(resample="nearest")
    assert plane.shape == (8, 10)
    assert np.array_equal(plane[1:5, 3:9], values.repeat(2, 0).repeat(2, 1))
    assert plane.sum() == 4 * values.sum()
    twice = heat.upsampled(16, 20, "nearest")
    assert np.array_equal(twice[2:10, 6:18], values.repeat(4, 0).repeat(4, 1))
    assert twice.sum() == 16 * values.sum()
    assert heat.upsampled(1, 1).shape == (1, 1)
    assert not heat.mask(threshold=0.0)[0].any()


def test_a_box_of_another_aspect_fills_the_planes_middle() -> None:
    """A box of 2 × 8 was fitted into a square plane: it is the plane's middle quarter of rows."""
    region = fitted_region((0, 0, 8, 2), (64, 64))
    assert region.shown == (0.0, 0.375, 1.0, 0.625)
    assert fitted_region((4, 0, 6, 8), (64, 64)).shown == (0.375, 0.0, 0.625, 1.0)
    assert fitted_region((5, 5, 11, 9), (4, 6)).shown == (0.0, 0.0, 1.0, 1.0)
    values = np.zeros((8, 8), np.float32)
    values[3:5] = [[1], [2]]
    plane = HeatMap(values, (2, 8), FULL, region=region).upsampled(resample="nearest")
    assert np.array_equal(plane, np.repeat([[1.0], [2.0]], 8, axis=1))


def test_differences_are_in_the_box_too_and_of_one_box_alone() -> None:
    one, two = (np.full((2, 2), value, np.float32) for value in (1.0, 3.0))
    box = Region(0, 0, 2, 2)
    signed = HeatMap(one, (4, 4), FULL, region=box) - HeatMap(two, (4, 4), FULL, region=box)
    assert np.array_equal(signed.upsampled()[:2, :2], one - two)
    assert signed.upsampled().sum() == -8
    with pytest.raises(vxa.VxaError, match="have no difference"):
        HeatMap(one, (4, 4), FULL, region=box) - HeatMap(two, (4, 4), FULL)


def test_a_region_is_saved_and_a_wrong_one_refused(tmp_path: Path) -> None:
    from dataclasses import replace

    maps = made_maps()
    height, width = maps.image_size
    region = Region(1, 0, width, height - 1, (0.0, 0.1, 1.0, 0.9))
    path = vxa.write_maps(replace(maps, region=region), tmp_path / "maps.npz")
    assert vxa.read_maps(path).region == region
    assert vxa.read_maps(vxa.write_maps(maps, tmp_path / "plain.npz")).region is None
    sidecar = path.with_suffix(".json")
    header = json.loads(sidecar.read_text("utf-8"))
    assert header["schema"] == 3
    for change in (
        {"left": width},
        {"right": width + 1},
        {"top": 0.5},
        {"shown": [0, 0, 2, 1]},
        {"shown": [0]},
    ):
        sidecar.write_text(json.dumps(header | {"region": header["region"] | change}), "utf-8")
        with pytest.raises(MapsFileError):
            vxa.read_maps(path)
