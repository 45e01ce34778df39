"""The README and the pages of docs keep their word: what they show runs, figures are the measured ones."""

from __future__ import annotations

import ast
import itertools
import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vxa.cli.main import app
from vxa.papercut.shipped import weights_folder
from vxa.study.report import table_text
from vxa.study.tables import short_table
from vxa.training.tokenizer import vocabulary

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
# These name modules of the package, and commands that take hours.
FOR_CONTRIBUTORS = {"architecture.md", "measuring.md", "testing.md"}
PAGES = {
    path.name: path.read_text("utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if path.name not in FOR_CONTRIBUTORS
}
by_page = pytest.mark.parametrize("page", PAGES)

HUB_ID = "stable-diffusion-v1-5/stable-diffusion-v1-5"
NOT_RUN = {"app", "evaluate", "study"}  # a server, and hours: of these the options alone are read
WRITES = {"-o", "--output", "--save", "--animate", "--masks", "--image"}
PROMPTS = {"visualize": 2, "attribute": 2, "generate": 1, "pipeline": 0}  # the prompt's place in a call


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the kind and the text of every block of commands or Python, in order."""
    return re.findall(r"^```(console|python)\n(.*?)\n^```", PAGES[page], re.DOTALL | re.MULTILINE)


def commands(page: str) -> list[list[str]]:
    """Return the arguments of every `vxa` command in the page's blocks and tables."""
    shown = [line for kind, text in blocks(page) if kind == "console" for line in text.splitlines()]
    shown += re.findall(r"^\| !.*`(vxa [^`]+)` \|$", PAGES[page], re.MULTILINE)
    split = (shlex.split(line, comments=True) for line in shown)
    return [arguments for program, *arguments in split if program == "vxa"]


def calls(page: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the name and the constant arguments of every call in the page's Python; others are blank."""
    for kind, text in blocks(page):
        for node in ast.walk(ast.parse(text)) if kind == "python" else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield node.func.attr, [str(getattr(each, "value", "")) for each in node.args]


def written(page: str) -> list[str]:
    """Return every file and folder that the page's commands and Python write."""
    found = []
    for command, *arguments in commands(page):
        inputs = {"--image"} if command == "compare" else set()
        pairs = itertools.pairwise(arguments)
        found += [value for option, value in pairs if option in WRITES - inputs]
        found += arguments[:1] if command == "export-webui" else []
    for name, arguments in calls(page):
        found += arguments[:1] if name == "save" else []
        found += arguments[1:2] if name in ("write_maps", "write_masks") else []
    return [*found, *(f"{name.removesuffix('.npz')}.json" for name in found if name.endswith(".npz"))]


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len(README.split()) < 1500


def test_the_first_screen_has_the_command_for_a_model_of_ones_own() -> None:
    first = README.split("\n### ")[0]
    assert f"vxa app --model {HUB_ID}" in first
    assert "--model ./my-model" in first
    assert "--model ./my-model.safetensors" in first


def test_the_starts_and_the_line_that_tests_it_are_there() -> None:
    shown = [text for kind, text in blocks("README.md") if kind == "console"]
    assert shown[0].endswith("extensions/vxa")
    assert shown[1].endswith('pip install -c constraints.txt ".[app]"\nvxa app')
    assert shown[2].startswith('vxa show examples/figure.png "hat, neck" --words hat -o hat.png\n')
    assert shown[-1] == 'pip install -c constraints.txt ".[test]" && pytest'  # .ci/run looks for it


def test_every_picture_is_there_and_has_its_command() -> None:
    shown = runpy.run_path(str(ROOT / "docs" / "make_pictures.py"))["commands"]()
    made = {Path(command[command.index("-o") + 1]).name for command in shown}
    screenshots = (ROOT / "docs" / "make_screenshots.py").read_text("utf-8")
    made |= {f"{name}.webp" for name in re.findall(r'"(app-\w+)": \(', screenshots)}
    named = re.findall(r"""(?:\]\(|src=")(?:docs/)?pictures/([^)"]+)""", "".join(PAGES.values()))
    assert set(named) == {path.name for path in (ROOT / "docs" / "pictures").iterdir()}
    assert set(named) <= made


def test_no_two_commands_write_the_same_file() -> None:
    found = Counter(name for page in PAGES for name in written(page))
    assert {"hat.png", "maps.json", "painted.png", "scene", "models/Stable-diffusion"} <= set(found)
    assert not [name for name, count in found.items() if count > 1]


@by_page
def test_prompts_hold_words_that_papercut_knows(page: str) -> None:
    prompts = [
        arguments[0 if command in ("tokens", "trace", "generate") else 1]
        for command, *arguments in commands(page)
        if command in ("tokens", "trace", "generate", "show", "attribute")
    ]
    prompts += [
        arguments[PROMPTS[name]]
        for name, arguments in calls(page)
        if name in PROMPTS and len(arguments) > PROMPTS[name]
    ]
    read = {word for prompt in prompts if not prompt.startswith("-") for word in re.findall(r"\w+", prompt)}
    assert read <= set(vocabulary())


def test_papercuts_words_are_listed_and_counted() -> None:
    listed = re.search(r"## Its 113 words\n\n((?:> .+\n)+)", PAGES["papercut.md"])
    assert listed
    words = re.findall(r"\w+", listed[1])
    assert sorted([*words, ",", "."]) == list(vocabulary())
    assert len(vocabulary()) == 113
    assert "only 113 words" in README


@pytest.mark.slow
def test_every_name_is_there_after_import_vxa_alone() -> None:
    text = "\n".join(re.sub(r"^from .*$|-m vxa\S*", "", page, flags=re.MULTILINE) for page in PAGES.values())
    names = sorted(set(re.findall(r"(?<![\w./-])vxa\.([A-Za-z_]\w*)", text)))
    assert {"load", "visualize", "trace", "render"} <= set(names)
    look = f"import vxa; print([name for name in {names} if not hasattr(vxa, name)])"
    answer = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


@pytest.fixture
def beginner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that the pages name: the examples, a photo, a model, and a place for pictures."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copy(ROOT / "examples" / "figure.png", tmp_path / "photo.jpg")
    (tmp_path / "my-model").symlink_to(weights_folder(), target_is_directory=True)
    (tmp_path / "docs" / "pictures").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_command(line: str, folder: Path) -> None:
    """Run a line of the console that begins with vxa, over a local model where it names one of the hub."""
    program, *arguments = shlex.split(line, comments=True)
    if program != "vxa" or "--install-completion" in arguments:
        return
    arguments = ["my-model" if argument == HUB_ID else argument for argument in arguments]
    if arguments[0] in NOT_RUN:
        arguments.append("--help")
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stderr) == (0, ""), (line, result.stderr, result.exception)
    if "-o" in arguments:
        assert (folder / arguments[arguments.index("-o") + 1]).exists(), line


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Denoise in at most five steps: the pages' lines are checked, not their pictures."""
    from diffusers import DDIMScheduler

    original = DDIMScheduler.set_timesteps
    monkeypatch.setattr(
        DDIMScheduler,
        "set_timesteps",
        lambda self, steps, *args, **kwargs: original(self, min(steps, 5), *args, **kwargs),
    )


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)])
def test_the_blocks_run_as_written(page: str, beginner: Path, few_steps: None) -> None:
    names: dict[str, object] = {}
    for kind, text in blocks(page):
        if kind == "python":
            exec(compile(text, page, "exec"), names)
            continue
        for line in text.splitlines():
            run_command(line, beginner)
    assert [name for name in written(page) if not (beginner / name).exists() and "docs/" not in name] == []


def test_the_model_card_holds_the_measured_figures():
    report = ROOT / "benchmarks" / "reports" / "papercut.json"
    card = (ROOT / "MODEL_CARD.md").read_text("utf-8")
    with_figures = runpy.run_path(str(ROOT / "benchmarks" / "model_card.py"))["with_figures"]
    assert with_figures(card, json.loads(report.read_text("utf-8"))) == card, (
        "run python benchmarks/model_card.py"
    )


def test_the_defaults_are_those_that_dev_chose() -> None:
    from vxa.maps.heat_map import DEFAULT_THRESHOLD, EDGES_THRESHOLD, REFINED_THRESHOLD
    from vxa.maps.refine import POWER
    from vxa.models.papercut import DEFAULT_SITES
    from vxa.tracing.settings import PassSettings

    report = json.loads((ROOT / "benchmarks" / "reports" / "papercut.json").read_text("utf-8"))
    measured, refined = report["attention"], report["refined"]
    assert (measured["sites"], measured["threshold"]) == (DEFAULT_SITES, DEFAULT_THRESHOLD)
    assert (refined["sites"], refined["threshold"]) == (DEFAULT_SITES, REFINED_THRESHOLD)
    way = f"t = {PassSettings.timestep}, {PassSettings.noise}; {DEFAULT_SITES}"
    up = f"{way}; self-attention up, power {POWER:g}"
    thresholds = {
        f"{way}; not refined": DEFAULT_THRESHOLD,
        up: REFINED_THRESHOLD,
        f"{up}; edges": EDGES_THRESHOLD,
    }
    assert {name: report["choices"][name]["threshold"] for name in thresholds} == thresholds


def test_the_truth_table_is_the_reports():
    report = json.loads((ROOT / "benchmarks" / "reports" / "evaluate" / "report.json").read_text("utf-8"))
    _, head, rows = short_table(report)
    assert table_text(head, rows) in PAGES["accuracy.md"]
