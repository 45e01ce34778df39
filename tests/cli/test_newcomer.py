"""The command line as a newcomer meets it: quick, quiet, and with one line for every mistake."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT
from typer.testing import CliRunner

from vxa.cli.main import app

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def python(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vxa", *args]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, cwd=cwd, check=False)


def loaded_by(*args: str) -> set[str]:
    """The libraries that a command loads."""
    code = f"import sys; sys.argv = ['vxa', *{list(args)!r}]\nfrom vxa.__main__ import main\n"
    code += (
        "try:\n    main()\nfinally:\n    print(*{n.partition('.')[0] for n in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True
    )
    return set(done.stderr.splitlines()[-1].split())


def test_the_version_loads_nothing_heavy() -> None:
    assert python("--version").stdout.startswith("vxa 0.")
    assert not loaded_by("--version") & {"torch", "numpy", "PIL", "diffusers", "transformers", "gradio"}


def test_the_help_of_a_command_loads_nothing_heavy() -> None:
    assert not loaded_by("show", "--help") & {"torch", "numpy", "PIL", "diffusers", "transformers", "gradio"}


def test_tokens_are_listed_without_torch() -> None:
    assert not loaded_by("tokens", "a red hat") & {"torch", "diffusers"}


def test_words_that_papercut_does_not_know_are_told_once() -> None:
    result = CliRunner().invoke(app, ["tokens", "a sofa, a red hat, a Zebra sofa"])
    assert result.exit_code == 0
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("vxa: papercut does not know sofa, zebra: it is a toy world of 113 words")
    assert CliRunner().invoke(app, ["tokens", "a red hat, two cats"]).stderr == ""


def test_the_layers_option_is_the_sites_option() -> None:
    told = CliRunner().invoke(app, ["show", "nowhere.png", "hat", "--layers", "mid", "-o", "x.png"])
    assert told.exit_code == 2
    assert "nowhere.png" in told.stderr


def test_completion_can_be_installed() -> None:
    assert "--install-completion" in CliRunner().invoke(app, ["--help"]).stdout


def test_a_model_that_is_nowhere_is_told_in_one_sentence(tmp_path: Path) -> None:
    CliRunner().invoke(app, ["scene", "-o", str(tmp_path / "figure.png")])
    figure, output = str(tmp_path / "figure.png"), str(tmp_path / "x.png")
    command = ["show", figure, "hat", "--model", "nope/nomodel", "-o", output]
    told = CliRunner().invoke(app, command, env={"HF_HUB_OFFLINE": "1"})
    assert told.exit_code == 2
    assert told.stderr.startswith("vxa: there is no folder or file nope/nomodel, and the hub did not give it")
    assert len(told.stderr) < 200


def test_a_long_prompt_is_not_echoed_whole(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["tokens", " " * 3000])
    assert told.exit_code == 2
    assert len(told.stderr) < 200


@pytest.mark.parametrize(
    "command", [["show", "FIGURE", "hat"], ["trace", "a hat"], ["attribute", "FIGURE", "hat"]]
)
def test_an_unwritable_output_is_refused_before_the_model_is_loaded(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    CliRunner().invoke(app, ["scene", "-o", str(tmp_path / "figure.png")])

    def full(path: object) -> None:
        raise OSError(28, "No space left on device")

    def forbidden(*args: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("vxa.io.images.check_folder_writable", full)
    monkeypatch.setattr("vxa.models.load", forbidden)
    given = [each.replace("FIGURE", str(tmp_path / "figure.png")) for each in command]
    told = CliRunner().invoke(app, [*given, "-o", str(tmp_path / "x.png")])
    assert told.exit_code == 2
    assert "No space left on device" in told.stderr


def test_a_scene_is_a_picture_or_a_folder(tmp_path: Path) -> None:
    for name in ("scene.png", "scene"):
        assert CliRunner().invoke(app, ["scene", "--seed", "7", "-o", str(tmp_path / name)]).exit_code == 0
    assert (tmp_path / "scene.png").is_file()
    assert (tmp_path / "scene" / "image.png").read_bytes() == (tmp_path / "scene.png").read_bytes()


def test_a_folder_may_have_a_dot_in_its_name(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["scene", "-o", str(tmp_path / "run.1")]).exit_code == 0
    assert (tmp_path / "run.1" / "image.png").is_file()


@pytest.mark.parametrize("names", [["vocab.json"], ["vocab.json", "merges.txt"]])
def test_a_broken_tokenizer_is_told_in_one_line(names: list[str], tmp_path: Path) -> None:
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "model_index.json").write_text("{}", "utf-8")
    for name in names:
        (tmp_path / "tokenizer" / name).write_text("no JSON", "utf-8")
    told = CliRunner().invoke(app, ["tokens", "hat", "--model", str(tmp_path)])
    assert told.exit_code == 2
    assert told.stderr.count("\n") == 1


def test_a_missing_folder_is_made_for_the_webuis_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "Stable-diffusion"
    assert CliRunner().invoke(app, ["export-webui", str(folder)]).exit_code == 0
    assert (folder / "papercut.safetensors").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
@pytest.mark.parametrize("before", ["vxa.cli.main", "torch"])
def test_ctrl_c_while_libraries_load_is_one_line(before: str, tmp_path: Path) -> None:
    """The signal comes while `before` is imported."""
    code = f"""
import builtins, os, signal, sys
real = builtins.__import__
def interrupting(name, *args, **named):
    if name == {before!r}:
        builtins.__import__ = real
        os.kill(os.getpid(), signal.SIGINT)
    return real(name, *args, **named)
builtins.__import__ = interrupting
sys.argv = ["vxa", "sites"]
from vxa.__main__ import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    assert done.stderr == "vxa: interrupted\n"
    assert done.returncode == 128 + signal.SIGINT
