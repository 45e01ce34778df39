"""`vxa evaluate` on the command line."""

import json

import pytest
from typer.testing import CliRunner

from vxa.cli.main import app


@pytest.mark.slow
def test_a_small_bench_prints_its_tables_and_writes_its_folder(tmp_path):
    asked = ["--methods", "whole image, centre", "--scenes", "2", "--generated", "0", "--split", "dev"]
    result = CliRunner().invoke(app, ["evaluate", *asked, "--report", str(tmp_path / "truth")])
    assert (result.exit_code, result.stderr) == (0, "")
    report = json.loads((tmp_path / "truth" / "report.json").read_text("utf-8"))
    assert list(report["methods"]) == ["whole image", "centre"]
    assert report["tracks"]["generated"] == {"pictures": 0, "words": 0, "absent": 0}
    assert (
        f"| whole image | {report['methods']['whole image']['rendered']['object_miou']:.3f}" in result.stdout
    )


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--split", "dve"], "there is no split 'dve'; choose one of train, dev, test"),
        (["--scenes", "-1"], "scenes -1 is not allowed"),
        (["--scenes", "0", "--generated", "0"], "there is nothing to measure"),
        (["--methods", "daam, dam"], "there is no method dam; choose some of default"),
        (["--report", "."], "is there and not an empty folder"),
    ],
)
def test_a_wrong_question_is_one_line(asked, told):
    result = CliRunner().invoke(app, ["evaluate", *asked])
    assert result.exit_code == 2
    assert told in result.stderr
    assert result.stderr.count("\n") == 1
