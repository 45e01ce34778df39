"""The frame of studies: it resumes, counts failures, pairs by case, and writes every kind of report."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vxa.errors import SettingError
from vxa.study.frame import Case, Part, Plan, Result, Study, run
from vxa.study.frame_report import markdown

VALUES = {0: (4.0, 1.0), 1: (6.0, 2.0), 2: (8.0, None), 3: (2.0, 3.0)}


def study(calls: list[int], fail_at: int | None = None) -> Study:
    def measure(model: Any, case: Case) -> Any:
        if case.seed == fail_at:
            raise KeyboardInterrupt
        calls.append(case.seed)
        plain, ours = VALUES[case.seed]
        rows = [
            Result("errors", "plain", {"error": plain}),
            Result("errors", "ours", {"error": ours, "there": 1.0}),
        ]
        return rows, Image.new("RGB", (8, 4))

    about = {"error": "of 255", "there": "share"}
    part = Part("one", "Does one thing.", about, "plain", lambda seed: Case(seed, {"seed": seed}), measure)
    return Study("test", "A test", (part,))


def test_figures_failures_and_differences(tmp_path: Path) -> None:
    report = run(study([]), None, Plan(4), tmp_path / "new")
    table = report["parts"]["one"]["errors"]
    plain, ours = (table[name]["error"] for name in ("plain", "ours"))
    assert (plain["mean"], plain["cases"], plain["failures"]) == (5.0, 4, 0)
    assert (ours["mean"], ours["cases"], ours["failures"]) == (2.0, 3, 1)
    assert ours["difference"][0] == pytest.approx(np.mean([1 - 4, 2 - 6, 3 - 2]))
    assert ours["difference"][1] <= ours["difference"][0] <= ours["difference"][2]
    assert ours["ratio"] == pytest.approx(6 / 12)
    assert "there" not in table["plain"]


def test_every_kind_of_report_is_written(tmp_path: Path) -> None:
    report = run(study([]), None, Plan(2), tmp_path / "new")
    folder = tmp_path / "new"
    assert json.loads((folder / "report.json").read_text("utf-8")) == json.loads(json.dumps(report))
    assert (folder / "report.md").read_text("utf-8") == markdown(report)
    assert "| ours | 1.5 (1–2) | 1 (1–1) |" in markdown(report)
    lines = list(csv.DictReader((folder / "report.csv").read_text("utf-8").splitlines()))
    assert [(line["condition"], line["figure"], line["mean"]) for line in lines] == [
        ("plain", "error", "5.0"), ("ours", "error", "1.5"), ("ours", "there", "1.0"),
    ]  # fmt: skip
    assert "ours & 1.5 (1--2) & 1 (1--1) \\\\" in (folder / "report.tex").read_text("utf-8")
    page = (folder / "index.html").read_text("utf-8")
    assert "<td>1.5 (1–2)</td>" in page
    assert '<img src="one-0.webp"' in page
    with Image.open(folder / "one-1.webp") as picture:
        assert picture.size == (8, 4)


def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    calls: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        run(study(calls, fail_at=2), None, Plan(4), tmp_path / "new")
    with (tmp_path / "new" / "cases.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"study": "te')  # killed in the middle of a line
    advanced: list[int] = []
    report = run(study(calls), None, Plan(4), tmp_path / "new", lambda: advanced.append(1))
    assert calls == [0, 1, 2, 3]
    assert len(advanced) == 4
    assert report["parts"] == run(study([]), None, Plan(4), tmp_path / "other")["parts"]


def test_another_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SettingError, match="is there and no folder of a study"):
        run(study([]), None, Plan(1), tmp_path)
    run(study([]), None, Plan(1), tmp_path / "new")
    with pytest.raises(SettingError, match="holds the study test of papercut; name another folder"):
        run(study([]), None, Plan(1, model="other"), tmp_path / "new")


def test_bad_plans_are_told(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="pictures 0 is not allowed; give a whole number from 1"):
        Plan(0)
    with pytest.raises(SettingError, match="test has no part 'two'; choose some of one"):
        run(study([]), None, Plan(1, parts=("two",)), tmp_path / "new")
