from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.maps import made_maps, traced_maps

from vxa.errors import ImageError, SettingError
from vxa.pictures.animation import animation_frames, write_animation

IMAGE = Image.new("RGB", (48, 32), (90, 120, 90))


@pytest.mark.parametrize("name", ["hat.gif", "hat.png"])
def test_a_frame_for_each_bin(name: str, tmp_path: Path) -> None:
    path = write_animation(traced_maps(), IMAGE, tmp_path / name, "hat")
    with Image.open(path) as moving:
        assert moving.n_frames == 2  # type: ignore[attr-defined]
        assert moving.is_animated  # type: ignore[attr-defined]


def test_frames_share_one_scale() -> None:
    maps = traced_maps()
    first, second = animation_frames(maps, IMAGE, "hat", opacity=1.0, resample="nearest")
    assert first.size == second.size
    peaks = [float(each.heat_map("hat").values.max()) for each in maps.each_bin()]
    brightest = [np.asarray(frame)[40:-10, 10:-10].sum(2).max() for frame in (first, second)]
    assert peaks[0] != peaks[1]
    assert (brightest[0] > brightest[1]) == (peaks[0] > peaks[1])


def test_what_cannot_be_animated_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="one step to show"):
        animation_frames(made_maps(), Image.new("RGB", (47, 31)), "hat, neck")
    with pytest.raises(ImageError, match="end the file name in"):
        write_animation(traced_maps(), IMAGE, tmp_path / "hat.mp4")
    with pytest.raises(ImageError, match="no folder"):
        write_animation(traced_maps(), IMAGE, tmp_path / "none" / "hat.gif")
