from __future__ import annotations

from pathlib import Path

import pytest

from vxa.ui.uploads import Uploads


def given(folder: Path, number: int, size: int = 10) -> Path:
    """A file in a folder of its own, as gradio keeps it."""
    path = folder / f"hash{number}" / "image.png"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes([number]) * size)
    return path


def test_the_last_few_stay_and_the_others_go_with_their_folders(tmp_path: Path):
    uploads = Uploads(most=3)
    paths = [given(tmp_path, number) for number in range(5)]
    for path in paths:
        uploads.add(str(path))
    assert [path.exists() for path in paths] == [False, False, True, True, True]
    assert len(list(tmp_path.iterdir())) == 3


def test_what_is_given_again_is_the_newest(tmp_path: Path):
    uploads = Uploads(most=2)
    first, second, third = (given(tmp_path, number) for number in range(3))
    for path in (first, second, first, third):
        uploads.add(str(path))
    assert [path.exists() for path in (first, second, third)] == [True, False, True]


def test_bytes_are_bounded_and_the_newest_stays_whatever_its_size(tmp_path: Path):
    uploads = Uploads(most_bytes=100)
    paths = [given(tmp_path, 0, 60), given(tmp_path, 1, 50), given(tmp_path, 2, 50), given(tmp_path, 3, 500)]
    for number, path in enumerate(paths):
        uploads.add(str(path))
        assert [path.exists() for path in paths[: number + 1]] == [
            [True], [False, True], [False, True, True], [False, False, False, True],
        ][number]  # fmt: skip


def test_examples_are_spared(tmp_path: Path):
    example = given(tmp_path, 7)
    uploads = Uploads([example], most=1)
    for path in (example, given(tmp_path, 1), given(tmp_path, 2)):
        uploads.add(str(path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hash2", "hash7"]


@pytest.mark.parametrize("name", ["nothing.png", ""])
def test_a_file_that_is_not_there_is_no_trouble(tmp_path: Path, name: str):
    uploads = Uploads(most=1)
    path = given(tmp_path, 1)
    uploads.add(str(path))
    uploads.add(str(tmp_path / name))
    assert path.exists()
    path.unlink()
    uploads.add(str(given(tmp_path, 2)))
    assert (tmp_path / "hash2" / "image.png").exists()


def test_a_dropped_image_is_counted(handlers, tmp_path: Path, image_file: Path):  # type: ignore[no-untyped-def]
    handlers.uploads = Uploads([image_file], most=1)
    copies = [tmp_path / name for name in ("a.png", "b.png")]
    for number, copy in enumerate(copies):
        copy.write_bytes(image_file.read_bytes() + bytes(number + 1))
        handlers.check_image(str(copy))
    handlers.check_image(str(image_file))  # the example
    assert [path.exists() for path in (*copies, image_file)] == [False, True, True]
