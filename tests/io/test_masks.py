from __future__ import annotations

import contextlib
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.maps import made_maps

from vxa.attention.records import PassRecord
from vxa.errors import HeadError, ImageError, SettingError, TokenIndexError, WordError
from vxa.io.masks import check_masks_folder, coco_rle, mask_of_rle, write_masks
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
    assert coco["images"] == [
        {"id": 1, "file_name": "image.png", "height": 31, "width": 47, "masks": ["hat.png"]}
    ]
    assert annotation["iscrowd"] == 0


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


def named(maps: AttentionMaps, image: str | None) -> AttentionMaps:
    """Return the maps as if they were made of the file."""
    return dataclasses.replace(maps, provenance=dataclasses.replace(maps.provenance, image=image))


def without_attention(maps: AttentionMaps) -> AttentionMaps:
    """Return maps whose first word attends to nothing, so that its mask is empty."""
    records = {}
    for name, record in maps.records.items():
        assert isinstance(record, PassRecord)
        key = record.key.clone()
        key[1] = -1e6
        records[name] = dataclasses.replace(record, query=record.query.abs() + 1, key=key)
    return dataclasses.replace(maps, records=records)


def dataset_in(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "coco.json").read_text("utf-8"))


def average_precision(path: Path, kind: str) -> float:
    """Return COCO's AP of a dataset's masks, or boxes, against themselves, by pycocotools."""
    tools = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    measure = pytest.importorskip("pycocotools.cocoeval", reason="pycocotools is not installed")
    with contextlib.redirect_stdout(io.StringIO()):
        truth = tools.COCO(str(path))
        keys = ("image_id", "category_id", "segmentation")
        found = [{key: each[key] for key in keys} | {"score": 1.0} for each in truth.dataset["annotations"]]
        evaluation = measure.COCOeval(truth, truth.loadRes(found), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


@pytest.mark.parametrize("kind", ["segm", "bbox"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_masks_agree_with_themselves_by_cocos_own_measure(tmp_path: Path, kind: str) -> None:
    hats = maps_of("hat", "hat")
    write_masks(named(hats, "eins.png"), tmp_path)
    write_masks(named(maps_of("red hat", "Hüte, ganz groß"), "Größe 2.jpg"), tmp_path, threshold=1.0)
    write_masks(named(without_attention(hats), "3.png"), tmp_path)
    assert average_precision(tmp_path / "coco.json", kind) == pytest.approx(1.0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pycocotools_reads_the_same_masks(tmp_path: Path) -> None:
    tools = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    maps = maps_of("hat", "cat")
    write_masks(maps, tmp_path, threshold=0.6)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = tools.COCO(str(tmp_path / "coco.json"))
    for annotation in truth.dataset["annotations"]:
        name = truth.cats[annotation["category_id"]]["name"]
        decoded = truth.annToMask(annotation)
        assert np.array_equal(decoded, maps.heat_map(name).mask(threshold=0.6))
        assert annotation["area"] == decoded.sum()


def test_ids_of_several_images_are_their_own(tmp_path: Path) -> None:
    write_masks(named(maps_of("hat", "cat"), "one.png"), tmp_path)
    write_masks(named(maps_of("cat", "hat"), "two.png"), tmp_path)
    made = dataset_in(tmp_path)
    assert [(each["id"], each["file_name"]) for each in made["images"]] == [(1, "one.png"), (2, "two.png")]
    assert made["categories"] == [{"id": 1, "name": "hat"}, {"id": 2, "name": "cat"}]
    assert [(each["id"], each["image_id"], each["category_id"]) for each in made["annotations"]] == [
        (1, 1, 1), (2, 1, 2), (3, 2, 2), (4, 2, 1),
    ]  # fmt: skip
    assert [each["masks"] for each in made["images"]] == [
        ["hat.png", "cat.png"],
        ["two-cat.png", "two-hat.png"],
    ]


def test_an_image_of_the_same_name_is_replaced(tmp_path: Path) -> None:
    for texts in (("hat", "cat"), ("hat", "cat"), ("dog", "hat")):
        write_masks(named(maps_of(*texts), "one.png"), tmp_path)
    made = dataset_in(tmp_path)
    assert [each["masks"] for each in made["images"]] == [["dog.png", "hat.png"]]
    assert [each["name"] for each in made["categories"]] == ["dog", "hat"]
    assert [each["id"] for each in made["annotations"]] == [1, 2]


def test_a_mask_of_no_pixels_is_a_category_without_annotation(tmp_path: Path) -> None:
    paths = write_masks(without_attention(maps_of("hat", "cat")), tmp_path)
    assert not np.asarray(Image.open(paths[0]).convert("L")).any()
    made = dataset_in(tmp_path)
    assert [each["name"] for each in made["categories"]] == ["hat", "cat"]
    assert [each["category_id"] for each in made["annotations"]] == [2]


def test_a_mask_of_one_pixel(tmp_path: Path) -> None:
    maps = maps_of("hat", "cat")
    height, width = maps.image_size
    peak = int(maps.heat_map("cat").upsampled().argmax())
    write_masks(maps, tmp_path, "cat", threshold=1.0)
    (annotation,) = dataset_in(tmp_path)["annotations"]
    assert (height, width) == (31, 47)
    assert (annotation["area"], annotation["bbox"]) == (1, [peak % width, peak // width, 1, 1])


@pytest.mark.parametrize(
    ("image", "recorded", "name", "written"),
    [
        (None, None, "image.png", False),
        (None, "Größe 2.jpg", "Größe 2.jpg", False),
        ("elsewhere/a b.webp", "c.png", "a b.webp", False),
        (Path("a.png"), None, "a.png", False),
        (Image.new("RGB", (47, 31), "red"), None, "image.png", True),
        (np.zeros((31, 47, 3), np.uint8), None, "image.png", True),
        (np.zeros((31, 47, 3), np.uint8), "c.png", "c.png", False),
    ],
)
def test_the_file_name_is_the_images_own(
    tmp_path: Path, image: Any, recorded: str | None, name: str, written: bool
) -> None:
    write_masks(named(maps_of("image", "hat"), recorded), tmp_path, "hat, image", image=image)
    assert [each["file_name"] for each in dataset_in(tmp_path)["images"]] == [name]
    assert (tmp_path / name).exists() == written
    if written:
        with Image.open(tmp_path / name) as picture:
            assert picture.size == (47, 31)


def test_an_image_that_was_opened_keeps_its_name(tmp_path: Path) -> None:
    Image.new("RGB", (47, 31)).save(tmp_path / "my hat.png")
    with Image.open(tmp_path / "my hat.png") as picture:
        write_masks(maps_of("hat", "cat"), tmp_path / "masks", image=picture)
    assert dataset_in(tmp_path / "masks")["images"][0]["file_name"] == "my hat.png"
    assert not (tmp_path / "masks" / "my hat.png").exists()


def test_a_mask_never_overwrites_its_image(tmp_path: Path) -> None:
    Image.new("RGB", (47, 31), "red").save(tmp_path / "hat.png")
    before = (tmp_path / "hat.png").read_bytes()
    paths = write_masks(maps_of("hat", "cat"), tmp_path, image=tmp_path / "hat.png")
    assert (tmp_path / "hat.png").read_bytes() == before
    assert [path.name for path in paths] == ["hat-hat.png", "hat-cat.png", "coco.json"]


@pytest.mark.parametrize("image", [np.zeros((30, 47, 3), np.uint8), Image.new("L", (31, 47))])
def test_an_image_of_another_size_is_refused(tmp_path: Path, image: Any) -> None:
    with pytest.raises(ImageError, match="the maps are of one of 31×47; give the image"):
        write_masks(maps_of("hat", "cat"), tmp_path / "masks", image=image)
    assert not (tmp_path / "masks").exists()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"images": []}', '{"info": {"contributor": "COCO"}, "images": []}', "[" * 10**5],
)
def test_another_programs_file_is_never_overwritten(tmp_path: Path, text: str) -> None:
    (tmp_path / "coco.json").write_text(text)
    for write in (lambda: write_masks(maps_of("hat", "cat"), tmp_path), lambda: check_masks_folder(tmp_path)):
        with pytest.raises(ImageError, match="did not write it, or it is damaged; move it away"):
            write()
    assert (tmp_path / "coco.json").read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["coco.json"]


RED_AND_BLUE = np.zeros((31, 47, 3), np.uint8)
RED_AND_BLUE[:, :20, 0] = RED_AND_BLUE[:, 20:, 2] = 200


def mask_in(path: Path) -> np.ndarray:
    with Image.open(path) as mask:
        return np.asarray(mask.convert("L")) == 255


@pytest.mark.parametrize("given", ["path", "PIL", "array"])
def test_masks_follow_the_edges_of_a_picture_given_in_any_form(tmp_path: Path, given: str) -> None:
    picture = Image.fromarray(RED_AND_BLUE)
    picture.save(tmp_path / "halves.png")
    edges = {"path": tmp_path / "halves.png", "PIL": picture, "array": RED_AND_BLUE}[given]
    maps = maps_of("hat", "cat")
    paths = write_masks(maps, tmp_path / "masks", "hat", edges=edges)
    wanted = maps.heat_map("hat").mask(edges=picture)
    assert not np.array_equal(wanted, maps.heat_map("hat").mask())
    assert np.array_equal(mask_in(paths[0]), wanted)
    made = dataset_in(tmp_path / "masks")
    assert np.array_equal(mask_of_rle(made["annotations"][0]["segmentation"]), wanted)
    (described,) = made["images"]
    assert (described["edges"], described["file_name"]) == (
        True,
        "halves.png" if given == "path" else "image.png",
    )
    assert (tmp_path / "masks" / "image.png").exists() == (given != "path")


def test_edges_and_name_may_be_of_two_sources(tmp_path: Path) -> None:
    write_masks(maps_of("hat", "cat"), tmp_path, image="somewhere/else.jpg", edges=RED_AND_BLUE)
    assert [each["file_name"] for each in dataset_in(tmp_path)["images"]] == ["else.jpg"]
    assert not (tmp_path / "image.png").exists()


def test_the_threshold_is_that_of_all_masks(tmp_path: Path) -> None:
    maps = maps_of("hat", "cat")
    paths = write_masks(maps, tmp_path, "hat", threshold=0.7, edges=RED_AND_BLUE)
    assert np.array_equal(mask_in(paths[0]), maps.heat_map("hat").mask(threshold=0.7, edges=RED_AND_BLUE))


@pytest.mark.parametrize(
    ("edges", "error", "message"),
    [
        (
            RED_AND_BLUE[:30],
            SettingError,
            r"edges to follow is 30×47 .* one of 31×47; give",
        ),
        (True, ImageError, "cannot read an image from bool: give a path"),
        ("hat.png", ImageError, "cannot read image 'hat.png': there is no such file; give the path"),
    ],
)
def test_what_is_no_picture_of_the_maps_is_refused_before_anything_is_written(
    tmp_path: Path, edges: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        write_masks(maps_of("hat", "cat"), tmp_path / "masks", edges=edges)
    assert not (tmp_path / "masks").exists()


def test_tokens_choose_the_words_that_they_are_parts_of(tmp_path: Path) -> None:
    pieces = [Token(1, 3, "neck", 0, None), Token(2, 3, "erchief", 0, None)]
    maps = dataclasses.replace(made_maps(), tokens=(made_maps().tokens[0], *pieces))
    (mask, _) = write_masks(maps, tmp_path / "word", tokens="2")
    assert mask.name == "neckerchief.png"
    assert np.array_equal(mask_in(mask), maps.heat_map("neckerchief").mask())
    paths = write_masks(maps, tmp_path / "both", tokens=[0, 1])
    assert [path.name for path in paths] == ["neckerchief.png", "token-0.png", "coco.json"]
    assert np.array_equal(mask_in(paths[1]), maps.heat_map(tokens=0).mask())


def test_heads_are_those_of_a_heat_map(tmp_path: Path) -> None:
    maps = made_maps(prompt="hat")
    (mask, _) = write_masks(maps, tmp_path, heads="1")
    assert np.array_equal(mask_in(mask), maps.heat_map("hat", heads="1").mask())
    assert not np.array_equal(mask_in(mask), maps.heat_map("hat").mask())


@pytest.mark.parametrize(
    ("chosen", "error"),
    [
        ({"words": "hat", "tokens": "1"}, SettingError),
        ({"tokens": "9"}, TokenIndexError),
        ({"heads": "9"}, HeadError),
    ],
)
def test_a_wrong_choice_is_refused(tmp_path: Path, chosen: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        write_masks(maps_of("hat", "cat"), tmp_path / "masks", **chosen)
    assert not (tmp_path / "masks").exists()
