"""The README and the model card keep their word: what they show runs, figures are the measured ones."""

import json
import re
import runpy
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vxa.cli.main import app
from vxa.models.papercut import weights_folder
from vxa.study.report import table_text
from vxa.study.tables import short_table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_every_picture_of_the_readme_is_there_and_has_its_command():
    commands = runpy.run_path(str(ROOT / "docs" / "make_pictures.py"))["commands"]()
    made = {Path(command[command.index("-o") + 1]).name for command in commands}
    screenshots = (ROOT / "docs" / "make_screenshots.py").read_text("utf-8")
    made |= {f"{name}.png" for name in re.findall(r'"(app-\w+)": \(', screenshots)}
    shown = set(re.findall(r"\]\(docs/pictures/([^)]+)\)", README))
    assert shown
    assert shown <= made
    assert all((ROOT / "docs" / "pictures" / name).is_file() for name in shown)


def test_the_first_command_is_the_page_and_the_second_makes_a_picture():
    commands = re.findall(r"```console\n(.*?)\n```", README, re.DOTALL)
    assert commands[0] == 'pip install -c constraints.txt ".[app]" && vxa app'
    assert commands[1] == 'vxa show examples/figure.png "hat, neck" --words hat -o hat.png'


@pytest.fixture
def beginner(tmp_path, monkeypatch):
    """A folder with all that the README's starts name: the examples, a photo, a model, a webui's folder."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copy(ROOT / "examples" / "figure.png", tmp_path / "photo.jpg")
    (tmp_path / "my-model").symlink_to(weights_folder(), target_is_directory=True)
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_lines_run_as_written(beginner):
    [block] = re.findall(r"\*\*Command line\*\*\n\n```console\n(.*?)\n```", README, re.DOTALL)
    for line in block.splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "vxa"
        result = CliRunner().invoke(app, arguments)
        assert (result.exit_code, result.stderr) == (0, ""), (line, result.stderr, result.exception)
        if "-o" in arguments:
            assert (beginner / arguments[arguments.index("-o") + 1]).exists(), line


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)\n```", README, re.DOTALL))
def test_the_python_runs_as_written(beginner, code):
    exec(compile(code, "README.md", "exec"), {})


def test_the_model_card_holds_the_measured_figures():
    report = ROOT / "benchmarks" / "reports" / "papercut.json"
    card = (ROOT / "MODEL_CARD.md").read_text("utf-8")
    with_figures = runpy.run_path(str(ROOT / "benchmarks" / "model_card.py"))["with_figures"]
    assert with_figures(card, json.loads(report.read_text("utf-8"))) == card, (
        "run python benchmarks/model_card.py"
    )


def test_the_defaults_are_those_that_dev_chose():
    from vxa.maps.heat_map import DEFAULT_THRESHOLD, REFINED_THRESHOLD
    from vxa.maps.refine import POWER
    from vxa.models.papercut import DEFAULT_SITES

    report = json.loads((ROOT / "benchmarks" / "reports" / "papercut.json").read_text("utf-8"))
    chosen, refined = report["attention"], report["refined"]
    assert (chosen["sites"], chosen["threshold"]) == (DEFAULT_SITES, DEFAULT_THRESHOLD)
    assert (refined["sites"], refined["threshold"]) == (DEFAULT_SITES, REFINED_THRESHOLD)
    joined = report["joined"]
    assert joined[f"{DEFAULT_SITES}; not refined"]["threshold"] == DEFAULT_THRESHOLD
    way = f"{DEFAULT_SITES}; self-attention up; power {POWER:g}, gamma 1"
    assert joined[way]["threshold"] == REFINED_THRESHOLD


def test_the_truth_table_is_the_reports():
    report = json.loads((ROOT / "benchmarks" / "reports" / "evaluate" / "report.json").read_text("utf-8"))
    _, head, rows = short_table(report)
    assert table_text(head, rows) in README
