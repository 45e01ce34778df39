"""The truth bench from end to end, on one picture a track, and its report."""

import json

import pytest

import vxa
from vxa.errors import SettingError
from vxa.study.bench import NAMES, run
from vxa.study.evaluate import Plan
from vxa.study.report import markdown, write_report

SELECTION = (
    "default", "default, edges", "one pass, refined", "noise", "inversion, refined", "daam", "vxa (best)",
    "vxa (best), edges",
    "whole image", "centre", "another word", "untrained",
)  # fmt: skip


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results():
    """The report and the pictures of a small bench, with five steps of the sampler instead of twenty."""
    calls = []
    plan = Plan(SELECTION, "dev", 1, 1, developed=1, seed=1003)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vxa.study.evidence.STEPS", 5)
        report, pictures = run(vxa.load("papercut"), plan, lambda: calls.append(1))
    assert len(calls) == plan.pictures == 3
    return report, pictures


def test_every_method_sees_the_same_questions(results):
    report, _ = results
    assert list(report["methods"]) == list(SELECTION)
    words = {name: figures["rendered"]["words"] for name, figures in report["methods"].items()}
    assert words.pop("one pass, refined") == 0  # of generated pictures only
    assert set(words.values()) == {report["tracks"]["rendered"]["words"]}
    assert report["tracks"]["generated"]["pictures"] == 1


def test_figures_are_shares_with_intervals_and_differences(results):
    report, _ = results
    default, whole = (report["methods"][name]["rendered"] for name in ("default", "whole image"))
    assert 0 <= default["low"] <= default["object_miou"] <= default["high"] <= 1
    assert default["below_reference"] == (0, 0, 0)
    gap = default["object_miou"] - whole["object_miou"]
    assert whole["below_reference"][0] == pytest.approx(gap, abs=2e-4)
    assert default["oracle_miou"] >= default["miou_at"]["max"]["0.5"][0]
    for name in ("pointing", "average_precision", "leakage", "oracle_miou"):
        low, high = default["intervals"][name]
        assert low <= default[name] <= high
    assert default["by_class"]["noun"]["object_miou"] == default["object_miou"]
    assert default["by_class"]["adjective"]["words"] > 0


def test_a_report_is_three_files_and_its_pictures(results, tmp_path):
    report, pictures = results
    write_report(report, pictures, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.json", "report.md", "index.html",
        *(f"{track}-{place}.png" for track in report["tracks"] for place in ("best", "median", "worst")),
    }  # fmt: skip
    read = json.loads((tmp_path / "report.json").read_text("utf-8"))
    miou = read["methods"]["daam"]["rendered"]["object_miou"]
    assert f"| daam | {miou:.3f}" in markdown(read) == (tmp_path / "report.md").read_text("utf-8")
    page = (tmp_path / "index.html").read_text("utf-8")
    assert f"{miou:.3f}" in page
    for table in ("mIoU at τ", "mIoU by noun", "mIoU by size", "mIoU by class", "with their 95 % intervals"):
        assert f"rendered: {table}" in page


def test_the_error_of_an_unknown_method_names_the_known_ones():
    with pytest.raises(SettingError, match="choose some of " + NAMES[0]):
        run(vxa.load("papercut"), Plan(("dam",)))
