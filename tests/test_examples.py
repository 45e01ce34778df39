"""The examples: each is short, runs from any folder with papercut, and writes the files that it names."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
by_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)


def test_all_examples_are_there() -> None:
    names = {example.stem for example in EXAMPLES}
    assert names == {"a_folder", "a_generation", "compare_a_lora", "one_image", "your_own_pipeline"}


@by_example
def test_an_example_is_short(example: Path) -> None:
    assert len(example.read_text("utf-8").splitlines()) < 30


@pytest.mark.slow
@by_example
def test_an_example_runs_and_writes_what_it_says(example: Path, tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, str(example)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    said = re.findall(r"[\w-]+\.[a-z]+", " ".join(re.findall(r"^wrote (.*)$", answer.stdout, re.MULTILINE)))
    assert said
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == set(said)
    assert all((tmp_path / name).stat().st_size for name in said)
