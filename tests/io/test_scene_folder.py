"""Scenes as folders, by the rules of Linux and of Windows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.windows import move_as_windows

from vxa.errors import SettingError
from vxa.io.scene_folder import write_scene
from vxa.papercut import Scene, scene

PARTS = ["caption.txt", "image.png", "masks", "parse.conllu"]


@pytest.fixture(scope="module")
def one() -> Scene:
    return scene(7)


@pytest.mark.parametrize("is_windows", [False, True])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_new_or_empty_folder_is_filled(
    one: Scene, tmp_path: Path, is_there: bool, is_windows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_there:
        (tmp_path / "scene").mkdir()
    if is_windows:
        move_as_windows(monkeypatch)
    written = write_scene(one, tmp_path / "scene")
    assert sorted(os.listdir(written)) == PARTS
    assert os.listdir(tmp_path) == ["scene"]
    for name in ("caption.txt", "parse.conllu"):
        assert b"\r" not in (written / name).read_bytes()


@pytest.mark.parametrize("is_there", [False, True])
def test_a_folder_in_use_is_refused_in_one_sentence(
    one: Scene, tmp_path: Path, is_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "scene"
    if is_there:
        folder.mkdir()
    move_as_windows(monkeypatch, folder)
    with pytest.raises(
        SettingError, match=r"Access is denied \(.*open in another program\?\); choose another$"
    ):
        write_scene(one, folder)
    assert [str(path) for path in tmp_path.rglob("*")] == ([str(folder)] if is_there else [])
