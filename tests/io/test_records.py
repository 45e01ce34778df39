"""Saved traces: read back bit for bit, and rejected if their sums are inconsistent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.maps import SITE, traced_maps

from vxa.errors import MapsFileError
from vxa.io.maps_file import read_maps, sidecar_path, write_maps
from vxa.maps.attention_maps import AttentionMaps


@pytest.mark.parametrize("kept", [None, (1,)], ids=["all tokens", "one token"])
def test_a_trace_is_read_back_bit_for_bit(kept: tuple[int, ...] | None, tmp_path: Path) -> None:
    maps = traced_maps(kept)
    read = read_maps(write_maps(maps, tmp_path / "trace.npz"))
    assert json.loads(sidecar_path(tmp_path / "trace.npz").read_text())["schema"] == 2
    assert (read.provenance, read.steps, read.tokens) == (maps.provenance, maps.steps, maps.tokens)
    for ask in ({}, {"heads": 1}):
        assert np.array_equal(read.heat_map("hat", **ask).values, maps.heat_map("hat", **ask).values)
    late = read.at_steps("3-4")
    assert np.array_equal(late.heat_map("hat").values, maps.at_steps("3-4").heat_map("hat").values)
    assert late.provenance.level == "t = 300 … 100"


def spoil(**changes: Any) -> AttentionMaps:
    maps = traced_maps()
    return replace(maps, records={SITE.name: replace(maps.records[SITE.name], **changes)})  # type: ignore[type-var]


@pytest.mark.parametrize(
    "changes",
    [
        {"passes": (3,)},
        {"passes": (3, 0)},
        {"token_count": 4},
        {"kept": (1, 1, 1)},
        {"kept": (0, 1, 7)},
        {"kept": (0,)},
        {"grid": (3, 2)},
        {"sums": torch.zeros(2, 2, 6)},
        {"sums": torch.zeros(2, 2, 6, 3, dtype=torch.float64)},
        {"sums": torch.zeros(2, 2, 5, 3)},
    ],
    ids=str,
)
def test_sums_that_do_not_fit_are_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    write_maps(spoil(**changes), tmp_path / "trace.npz")
    with pytest.raises(MapsFileError, match="does not hold what VXA writes"):
        read_maps(tmp_path / "trace.npz")


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [{"first": 0, "last": 2, "highest": 900, "lowest": 500}],
        [
            {"first": 3, "last": 4, "highest": 9, "lowest": 5},
            {"first": 0, "last": 2, "highest": 4, "lowest": 1},
        ],
        [
            {"first": 0, "last": 2, "highest": 1, "lowest": 5},
            {"first": 3, "last": 4, "highest": 4, "lowest": 1},
        ],
    ],
    ids=["none", "too few", "out of order", "levels turned round"],
)
def test_steps_that_do_not_fit_are_refused(steps: list[dict[str, Any]], tmp_path: Path) -> None:
    path = write_maps(traced_maps(), tmp_path / "trace.npz")
    sidecar = sidecar_path(path)
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "steps": steps}))
    with pytest.raises(MapsFileError, match="does not hold what VXA writes"):
        read_maps(path)
