"""Moving files into place, by the rules of Linux and of Windows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.windows import move_as_windows

from vxa.io.atomic import atomic_file, check_folder_writable, move_into_place, restored_on_failure


def write(path: Path, content: bytes) -> None:
    with atomic_file(path) as file:
        file.write(content)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    (tmp_path / "out.bin").write_bytes(b"old")
    return tmp_path / "out.bin"


def test_a_file_that_is_freed_soon_is_replaced(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    move_as_windows(monkeypatch, old, freed=True)
    write(old, b"new")
    assert old.read_bytes() == b"new"
    assert os.listdir(old.parent) == ["out.bin"]


def test_a_file_that_stays_open_is_refused_and_kept(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    move_as_windows(monkeypatch, old)
    with pytest.raises(PermissionError) as error:
        write(old, b"new")
    assert error.value.strerror == "Access is denied (is it protected, or open in another program?)"
    assert error.value.filename == str(old)
    assert old.read_bytes() == b"old"
    assert os.listdir(old.parent) == ["out.bin"]


def test_other_errors_are_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vxa.io.atomic.time.sleep", lambda seconds: pytest.fail("it slept"))
    with pytest.raises(FileNotFoundError):
        move_into_place(tmp_path / "none", tmp_path / "out.bin")


def test_a_temporary_file_that_cannot_be_deleted_hides_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_use(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "The process cannot access the file")

    def fail() -> None:
        with atomic_file(tmp_path / "out.bin"):
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", in_use)
    with pytest.raises(KeyboardInterrupt):
        fail()


def test_a_scanner_may_have_the_probe_open_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink, calls = Path.unlink, []

    def in_use_at_first(path: Path, missing_ok: bool = False) -> None:
        calls.append(path)
        if len(calls) == 1:
            raise PermissionError(13, "The process cannot access the file")
        unlink(path)

    monkeypatch.setattr(Path, "unlink", in_use_at_first)
    monkeypatch.setattr("vxa.io.atomic.time.sleep", lambda seconds: None)
    check_folder_writable(tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("is_there", [True, False])
def test_what_is_restored_on_failure_comes_back_after_a_failure(tmp_path: Path, is_there: bool) -> None:
    path = tmp_path / "out.bin"
    if is_there:
        path.write_bytes(b"old")

    def replaced(fails: bool) -> None:
        with restored_on_failure(path):
            assert path.exists() == is_there
            write(path, b"new")
            if fails:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replaced(fails=True)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([b"old"] if is_there else [])
    replaced(fails=False)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"new"]


def test_a_folder_is_not_restored_on_failure(tmp_path: Path) -> None:
    (tmp_path / "out.bin").mkdir()

    def replaced() -> None:
        with restored_on_failure(tmp_path / "out.bin"):
            write(tmp_path / "out.bin", b"new")

    with pytest.raises(OSError, match=r"directory|denied"):
        replaced()
    assert [path.is_dir() for path in tmp_path.iterdir()] == [True]
