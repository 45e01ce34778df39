from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.replayed import PASS

from vxa.ui.pictures import Pictures

PICTURE = Image.effect_noise((7, 5), 80).convert("RGB")


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_picture_is_written_without_loss_under_its_name(tmp_path: Path):
    path = Pictures(tmp_path).write("mine", "cat-overlay.png", PICTURE)
    assert path.name == "cat-overlay.png"
    with Image.open(path) as written:
        assert (written.format, written.tobytes()) == ("PNG", PICTURE.tobytes())


def test_no_two_pictures_share_a_folder_and_its_name_is_long(tmp_path: Path):
    pictures = Pictures(tmp_path)
    folders = {pictures.write("mine", "a.png", PICTURE).parent for _ in range(3)}
    assert len(folders) == 3
    assert all(folder.parent == tmp_path and len(folder.name) >= 32 for folder in folders)


def test_the_last_few_of_each_page_stay(tmp_path: Path):
    pictures = Pictures(tmp_path, each=2)
    mine = [pictures.write("mine", "a.png", PICTURE) for _ in range(4)]
    hers = pictures.write("hers", "b.png", PICTURE)
    assert files(tmp_path) == sorted([*mine[2:], hers])
    assert [folder for folder in tmp_path.iterdir() if not any(folder.iterdir())] == []


def test_the_page_that_drew_longest_ago_goes(tmp_path: Path):
    pictures = Pictures(tmp_path, pages=2)
    first, second = pictures.write("1", "1.png", PICTURE), pictures.write("2", "2.png", PICTURE)
    again = pictures.write("1", "1.png", PICTURE)
    third = pictures.write("3", "3.png", PICTURE)
    assert files(tmp_path) == sorted([first, again, third])
    assert not second.exists()


def test_a_folder_that_somebody_cleared_is_no_trouble(tmp_path: Path):
    pictures = Pictures(tmp_path, each=1)
    path = pictures.write("mine", "a.png", PICTURE)
    path.unlink()
    path.parent.rmdir()
    assert pictures.write("mine", "a.png", PICTURE).is_file()


@pytest.mark.parametrize("mode", ["overlay", "grey"])
def test_the_pages_picture_is_the_librarys_own(handlers, image_file: Path, mode: str):  # type: ignore[no-untyped-def]
    from vxa.ui.asked import Asked

    handlers.run("mine", str(image_file), "a red hat", *PASS)
    path = Path(handlers.picture_file("mine", Asked(mode=mode)))
    assert path.name == f"my-cat-{mode}.png"
    with Image.open(path) as written:
        assert written.tobytes() == handlers.picture("mine", Asked(mode=mode)).tobytes()


def test_every_pixel_comes_back(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (13, 29, 3), dtype=np.uint8)
    written = Pictures(tmp_path).write("mine", "noise.png", Image.fromarray(noise))
    with Image.open(written) as read:
        assert (read.format, read.mode) == ("PNG", "RGB")
        assert np.array_equal(np.asarray(read), noise)
