"""Saved maps: read back bit for bit, and rejected if damaged."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.maps import made_maps
from support.windows import move_as_windows

from vxa import visualize
from vxa.attention.records import PassRecord
from vxa.errors import MapsFileError
from vxa.io.maps_file import SCHEMA, check_maps_path, read_maps, sidecar_path, write_maps
from vxa.io.npz import digest_of
from vxa.maps.attention_maps import AttentionMaps

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def assert_same(left: AttentionMaps, right: AttentionMaps) -> None:
    for field in dataclasses.fields(AttentionMaps):
        if field.name != "records":
            assert getattr(left, field.name) == getattr(right, field.name), field.name
    assert list(left.records) == list(right.records)
    for name, record in left.records.items():
        other: Any = right.records[name]
        assert isinstance(record, PassRecord)
        assert (record.heads, record.scale, record.grid) == (other.heads, other.scale, other.grid)
        for one, two in ((record.query, other.query), (record.key, other.key)):
            assert one.dtype == two.dtype
            assert torch.equal(one, two)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return write_maps(made_maps(), tmp_path / "maps.npz")


def edit(path: Path, **changes: object) -> None:
    header = json.loads(sidecar_path(path).read_text())
    sidecar_path(path).write_text(json.dumps({**header, **changes}))


def replace_archive(path: Path, data: bytes) -> None:
    """Replace the npz and put its digest into the JSON, as an attacker would."""
    path.write_bytes(data)
    edit(path, digest=digest_of(io.BytesIO(data)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_round_trip_is_bit_exact(tmp_path: Path, dtype: torch.dtype) -> None:
    maps = made_maps(dtype)
    path = write_maps(maps, str(tmp_path / "maps.npz"))
    assert sorted(os.listdir(tmp_path)) == ["maps.json", "maps.npz"]
    read = read_maps(path)
    assert_same(maps, read)
    assert np.array_equal(maps.heat_map(tokens=1).values, read.heat_map(tokens=1).values)


def test_maps_of_a_model_answer_the_same_after_reading(sd_model: Any, picture: Any, tmp_path: Path) -> None:
    maps = visualize(sd_model, picture, "red hat, neck 🎩 قبعة")
    read = read_maps(write_maps(maps, tmp_path / "maps.npz"))
    assert_same(maps, read)
    for question in ({"words": "hat"}, {"tokens": "all"}, {"words": "neck", "sites": "mid", "heads": 1}):
        assert np.array_equal(maps.heat_map(**question).values, read.heat_map(**question).values)


@given(st.text(max_size=30), st.floats(allow_nan=False, allow_infinity=False))
@settings(max_examples=30, deadline=None)
def test_any_text_and_number_survives(tmp_path_factory: Any, text: str, weight: float) -> None:
    maps = made_maps(prompt=text)
    tokens = (maps.tokens[0], dataclasses.replace(maps.tokens[1], weight=weight), maps.tokens[2])
    maps = dataclasses.replace(maps, tokens=tokens)
    assert_same(maps, read_maps(write_maps(maps, tmp_path_factory.getbasetemp() / "text.npz")))


def test_what_is_read_can_be_computed_with(saved: Path) -> None:
    record = read_maps(saved).records["a.attn2"]
    assert isinstance(record, PassRecord)
    record.query.add_(0)  # writable, or torch would warn


def refused(path: Path, match: str) -> None:
    with pytest.raises(MapsFileError, match=match) as error:
        read_maps(path)
    assert "\n" not in str(error.value)
    assert repr(str(path)) in str(error.value)


def test_missing_files(saved: Path, tmp_path: Path) -> None:
    refused(tmp_path / "none.npz", "no file")
    refused(tmp_path, "no file")
    refused(Path("."), "no file")  # the value of an empty path
    sidecar_path(saved).unlink()
    refused(saved, r"no file.*maps\.json")


def test_a_half_written_pair_is_never_read(saved: Path) -> None:
    old = sidecar_path(saved).read_bytes()
    write_maps(made_maps(prompt="another"), saved)
    other = dataclasses.replace(made_maps(), records=made_maps(torch.float64).records)
    write_maps(other, saved)
    sidecar_path(saved).write_bytes(old)
    refused(saved, "damaged, or maps.json is of other maps")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_truncated_files(saved: Path, share: float) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(len(whole) * share)])
    refused(saved, "damaged")
    saved.write_bytes(whole)
    text = sidecar_path(saved).read_bytes()
    sidecar_path(saved).write_bytes(text[: int(len(text) * share)])
    refused(saved, "damaged or no JSON")


def test_one_flipped_bit_is_seen(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[len(data) // 2] ^= 1
    saved.write_bytes(data)
    refused(saved, "damaged")


@pytest.mark.parametrize("text", ["[]", "{}", '"vxa-maps"', '{"format": "other"}', "[" * 100_000, "NaN"])
def test_foreign_json(saved: Path, text: str) -> None:
    sidecar_path(saved).write_text(text)
    refused(saved, "not written by VXA|no JSON")


def test_the_images_name_is_kept_where_an_older_vxa_does_not_look(tmp_path: Path) -> None:
    maps = made_maps()
    named = dataclasses.replace(maps, provenance=dataclasses.replace(maps.provenance, image="Größe 1.png"))
    path = write_maps(named, tmp_path / "maps.npz")
    assert_same(read_maps(path), named)
    header = json.loads(sidecar_path(path).read_text())
    assert header["schema"] == 1
    assert "image" not in header["provenance"]
    edit(path, image=5)
    refused(path, "texts are not strings")


def test_another_schema_names_both(saved: Path) -> None:
    edit(saved, schema=SCHEMA + 1)
    refused(saved, f"schema is {SCHEMA + 1} and this VXA reads up to {SCHEMA}")


@pytest.mark.parametrize(
    "change",
    [
        {"sites": []},
        {"sites": [{"name": "a"}]},
        {"tokens": [{"index": 0}]},
        {"tokens": 3},
        {"records": []},
        {"extent": [0, 1]},
        {"extent": ["a", 1]},
        {"image_size": [0, 4]},
        {"image_size": [1.5, 4]},
        {"latent_size": [8, 6]},
        {"default_sites": "OUT77"},
        {"default_sites": 3},
        {"provenance": None},
        {"provenance": {"model": "x"}},
    ],
)
def test_a_json_whose_parts_do_not_fit(saved: Path, change: dict[str, object]) -> None:
    edit(saved, **change)
    refused(saved, "does not hold")


@pytest.mark.parametrize(
    "change",
    [{"heads": 3}, {"heads": "2"}, {"scale": None}, {"grid": [4, 7]}, {"dtypes": ["float16", "float16"]}],
)
def test_a_record_that_does_not_fit(saved: Path, change: dict[str, object]) -> None:
    records = json.loads(sidecar_path(saved).read_text())["records"]
    edit(saved, records=[{**records[0], **change}, records[1]])
    refused(saved, "does not hold")


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("tokens", {"word": "0"}), ("tokens", {"word": 0.5}), ("tokens", {"special": "begin"}),
        ("tokens", {"weight": "1"}), ("tokens", {"text": None}), ("tokens", {"id": "9"}),
        ("sites", {"kind": "other"}), ("sites", {"part": "left"}), ("sites", {"label": 5}),
        ("sites", {"heads": "2"}), ("sites", {"factor": 1.0}), ("provenance", {"prompt": 5}),
        ("provenance", {"timestep": "1"}), ("provenance", {"seed": "7"}), ("provenance", {"notes": [1]}),
        ("provenance", {"versions": {"vxa": 1}}), ("provenance", {"versions": 5}),
    ],
)  # fmt: skip
def test_a_value_of_another_kind(saved: Path, part: str, change: dict[str, object]) -> None:
    """The digest covers only the arrays, so each value of the JSON is checked."""
    before = json.loads(sidecar_path(saved).read_text())[part]
    if isinstance(before, list):
        edit(saved, **{part: [{**before[0], **change}, *before[1:]]})
    else:
        edit(saved, **{part: {**before, **change}})
    refused(saved, "does not hold")


class _Payload:
    def __reduce__(self) -> Any:
        return (os.mkdir, ("pickle-was-run",))


def archive_of(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_a_pickle_is_never_run(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    replace_archive(saved, archive_of(query_0=np.array([_Payload()], object)))
    refused(saved, "does not hold")
    replace_archive(saved, pickle.dumps(_Payload()))
    refused(saved, "does not hold")
    assert not (tmp_path / "pickle-was-run").exists()


def test_a_compressed_bomb_is_not_unpacked(saved: Path) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, query_0=np.zeros((1000, 1000), np.float32))
    replace_archive(saved, buffer.getvalue())
    refused(saved, "compressed")


def test_a_header_that_claims_too_much_is_not_believed(saved: Path) -> None:
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        member, {"descr": "<f4", "fortran_order": False, "shape": (10**12, 10**6)}
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("query_0.npy", member.getvalue() + b"1234")
    replace_archive(saved, buffer.getvalue())
    refused(saved, "query_0 does not hold what its header says")


@given(st.binary(max_size=200))
@settings(max_examples=40, deadline=None)
def test_any_bytes_for_an_archive_are_refused(tmp_path_factory: Any, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.npz"
    write_maps(made_maps(), path)
    replace_archive(path, data)
    refused(path, "cannot read")


@pytest.mark.parametrize("name", ["maps", "maps.json", "maps.NPY", "missing/maps.npz"])
def test_places_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(MapsFileError, match="cannot write"):
        check_maps_path(tmp_path / name)
    with pytest.raises(MapsFileError, match="cannot write"):
        write_maps(made_maps(), tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_the_old_pair(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(MapsFileError, match="No space left"):
        write_maps(made_maps(torch.float64), saved)
    assert sorted(os.listdir(saved.parent)) == ["maps.json", "maps.npz"]
    assert_same(made_maps(), read_maps(saved))


@pytest.mark.parametrize("name", ["maps.json", "maps.npz"])
def test_a_pair_of_which_one_is_in_use_stays_the_old_pair(
    saved: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    move_as_windows(monkeypatch, saved.with_name(name))
    with pytest.raises(
        MapsFileError, match=r"Access is denied \(.*open in another program\?\); choose another"
    ):
        write_maps(made_maps(torch.float64), saved)
    assert sorted(os.listdir(saved.parent)) == ["maps.json", "maps.npz"]
    assert_same(made_maps(), read_maps(saved))


def test_a_pair_that_is_freed_soon_is_replaced(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    move_as_windows(monkeypatch, saved, sidecar_path(saved), freed=True)
    write_maps(made_maps(torch.float64), saved)
    assert sorted(os.listdir(saved.parent)) == ["maps.json", "maps.npz"]
    assert_same(made_maps(torch.float64), read_maps(saved))


def test_no_new_npz_is_left_without_its_json(tmp_path: Path) -> None:
    (tmp_path / "maps.json").mkdir()
    with pytest.raises(MapsFileError, match="cannot write"):
        write_maps(made_maps(), tmp_path / "maps.npz")
    assert os.listdir(tmp_path) == ["maps.json"]


def test_other_records_are_refused(tmp_path: Path) -> None:
    maps = dataclasses.replace(made_maps(), records={"a.attn2": object(), "b.attn2": object()})
    with pytest.raises(MapsFileError, match="save those of a pass or trace"):
        write_maps(maps, tmp_path / "maps.npz")


def test_self_attention_is_saved_too(sd_model, picture, tmp_path: Path) -> None:
    maps = visualize(sd_model, picture, "hat, neck", self_attention=True)
    write_maps(maps, tmp_path / "maps.npz")
    read = read_maps(tmp_path / "maps.npz")
    assert (read.sites, read.self_sites) == (maps.sites, maps.self_sites)
    expected = maps.heat_map("hat", refine=True).values
    assert np.array_equal(read.heat_map("hat", refine=True).values, expected)
    assert json.loads((tmp_path / "maps.json").read_text("utf-8"))["schema"] == 2
