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


def test_the_first_picture_can_be_a_real_image(tmp_path: Path) -> None:
    scene = vxa.papercut.scene(5, "dev").image.resize((96, 64))
    scene.save(tmp_path / "ball.png")
    small = ["--steps", "2", "--image", str(tmp_path / "ball.png")]
    prompts = ["a red ball against a wall", "a blue ball against a wall"]
    control = ["--control", "prompt-to-prompt:self_until=1"]
    done = run("generate", *prompts, *small, *control, "-o", str(tmp_path / "pair.png"))
    assert done.exit_code == 0, done.output
    assert "FromTrajectory(" in done.output
    pair = np.asarray(Image.open(tmp_path / "pair.png"), float)
    assert pair.shape == (64, 192, 3)
    first, second = (abs(each - np.asarray(scene, float)).mean() for each in (pair[:, :96], pair[:, 96:]))
    assert first < 15
    assert first < second
    assert not np.array_equal(pair[:, :96], pair[:, 96:])


def test_an_image_that_is_missing_is_told_before_the_model_is_loaded(tmp_path: Path) -> None:
    done = run("generate", "a red ball", "--image", str(tmp_path / "no.png"), "-o", str(tmp_path / "one.png"))
    assert done.exit_code == 2
    assert "no.png" in done.stderr
