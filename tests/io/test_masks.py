from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.maps import made_maps

from vxa.errors import ImageError, SettingError, WordError
from vxa.io.masks import coco_rle, mask_of_rle, write_masks
from vxa.maps.attention_maps import AttentionMaps
from vxa.tokens import Token

RECTANGLE = np.zeros((40, 50), bool)
RECTANGLE[5:20, 7:33] = True


# Result of pycocotools 2.0.11: mask.encode(numpy.asfortranarray(mask.astype("uint8")))["counts"].decode().
@pytest.mark.parametrize(
    ("mask", "counts"),
    [
        (np.zeros((2, 3), bool), "6"),
        (np.ones((2, 3), bool), "06"),
        (np.eye(3, dtype=bool), "013000"),
        (np.arange(3 * 40).reshape(3, 40) % 7 == 0, "016" + "0" * 33),
        (RECTANGLE, "m8?i0" + "0" * 49 + "Se0"),
    ],
)
def test_counts_are_those_of_pycocotools(mask: np.ndarray, counts: str) -> None:
    rle = coco_rle(mask)
    assert rle["size"] == list(mask.shape)
    assert rle["counts"] == counts
    assert np.array_equal(mask_of_rle(rle), mask)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_a_mask_comes_back(height: int, width: int, seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < share
    assert np.array_equal(mask_of_rle(coco_rle(mask)), mask)


def test_runs_that_do_not_fill_the_mask_are_refused() -> None:
    with pytest.raises(SettingError, match="fill 6 pixels of 8"):
        mask_of_rle({"size": [2, 4], "counts": "6"})


def test_files_of_every_word(tmp_path: Path) -> None:
    maps = made_maps(prompt="hat")
    paths = write_masks(maps, tmp_path / "masks", threshold=0.6)
    assert [path.name for path in paths] == ["hat.png", "coco.json"]
    expected = maps.heat_map("hat").mask(threshold=0.6)
    assert expected.shape == (31, 47)
    assert np.array_equal(np.asarray(Image.open(paths[0]).convert("L")) == 255, expected)
    coco = json.loads(paths[1].read_text("utf-8"))
    (annotation,) = coco["annotations"]
    assert np.array_equal(mask_of_rle(annotation["segmentation"]), expected)
    assert annotation["area"] == expected.sum()
    left, top, width, height = annotation["bbox"]
    assert expected[top : top + height, left : left + width].sum() == expected.sum()
    assert coco["categories"] == [{"id": 1, "name": "hat"}]
    assert coco["images"] == [{"id": 1, "height": 31, "width": 47}]


def maps_of(*texts: str) -> AttentionMaps:
    """Return maps of the words; each is the one token of `made_maps`, or its end."""
    words = [Token(1 + place, 3, text, place, None) for place, text in enumerate(texts)]
    return dataclasses.replace(made_maps(), tokens=(made_maps().tokens[0], *words))


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (("Hat", "hat"), ["Hat-1", "hat-2"]),
        (("hat", "hat"), ["hat-1", "hat-2"]),
        (("con", "nul"), ["con-word", "nul-word"]),
        (("a/b", 'c:"d"?'), ["a-b", "c-d"]),
    ],
)
def test_every_system_takes_the_files_names(tmp_path: Path, texts: tuple[str, str], names: list[str]) -> None:
    paths = write_masks(maps_of(*texts), tmp_path / "masks")
    assert [path.name for path in paths] == [*(f"{name}.png" for name in names), "coco.json"]
    assert len({path.name.casefold() for path in (tmp_path / "masks").iterdir()}) == len(names) + 1
    coco = json.loads((tmp_path / "masks" / "coco.json").read_text("utf-8"))
    assert [each["name"] for each in coco["categories"]] == list(dict.fromkeys(texts))


def test_bad_words_and_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WordError):
        write_masks(made_maps(prompt="hat"), tmp_path / "masks", "cat")
    assert not (tmp_path / "masks").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(ImageError, match="cannot write masks"):
        write_masks(made_maps(prompt="hat"), tmp_path / "file" / "masks")
