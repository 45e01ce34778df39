"""`vxa controls`, and `vxa generate` of several prompts under controls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import vxa
from vxa.cli.main import app
from vxa.steering import CONTROLS, PromptToPrompt
from vxa.steering.spec import name_of


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def test_every_control_is_listed() -> None:
    lines = run("controls").output.splitlines()
    for kind in CONTROLS.values():
        assert any(line.startswith(name_of(kind)) for line in lines)
    assert any(line.startswith("  cross_until") and " 0.8 " in line and "0 to 1" in line for line in lines)


def test_several_prompts_are_made_side_by_side_under_a_control(tmp_path: Path) -> None:
    given = {"seed": 3, "steps": 1, "size": "64x64"}
    prompts = ["a red ball", "a blue ball"]
    options = [part for name, value in given.items() for part in (f"--{name}", str(value))]
    control = ["--control", "prompt-to-prompt:self_until=1"]
    done = run("generate", *prompts, *options, *control, "-o", str(tmp_path / "pair.png"))
    assert done.exit_code == 0, done.output
    assert "steered by  PromptToPrompt(self_until=1.0)" in done.output
    made = vxa.generate("papercut", prompts, controls=[PromptToPrompt(self_until=1)], **given)
    strip = Image.open(tmp_path / "pair.png")
    assert strip.size == (128, 64)
    for left, image in ((0, made.images[0]), (64, made.images[1])):
        assert np.array_equal(np.asarray(strip)[:, left : left + 64], np.asarray(image))


@pytest.mark.parametrize(
    ("control", "message"),
    [
        ("prompt-to-promt", "there is no control 'prompt-to-promt'; did you mean prompt-to-prompt"),
        ("style-aligned", "StyleAligned needs at least two prompts in one call"),
        ("ablate:words=cat", "'cat' is not in the prompt"),
    ],
)
def test_what_a_control_cannot_do_is_one_line(control: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    done = run(
        "generate", "a red ball", "--steps", "1", "--size", "64x64", "--control", control, "-o", str(path)
    )
    assert done.exit_code != 0
    assert message in done.stderr
    assert not path.exists()
