"""`install.py`, as a webui runs it: it installs nothing, and says in one line what is missing or too old."""

from __future__ import annotations

import ast
import runpy
import subprocess
import sys

import pytest
from support import ROOT

INSTALL = ROOT / "install.py"


def test_it_says_nothing_where_nothing_is_missing() -> None:
    done = subprocess.run([sys.executable, str(INSTALL)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_it_imports_nothing_that_could_install() -> None:
    tree = ast.parse(INSTALL.read_text("utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names == {"__future__", "sys", "importlib.metadata"}


def test_what_is_missing_or_too_old_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from importlib import metadata

    real = metadata.version

    def version(name: str) -> str:
        if name == "safetensors":
            raise metadata.PackageNotFoundError(name)
        return "1.13.1+cu117" if name == "torch" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    runpy.run_path(str(INSTALL), run_name="__main__")
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert said.startswith("VXA: torch 1.13.1+cu117 is older than 2.0; safetensors 0.3 or newer is missing.")


@pytest.mark.parametrize(
    ("text", "wanted"), [("2.13.0+cpu", (2, 13)), ("3.41.2", (3, 41)), ("10", (10,)), ("2.1rc1", (2, 11))]
)
def test_a_version_is_read(text: str, wanted: tuple[int, ...]) -> None:
    assert runpy.run_path(str(INSTALL))["numbers"](text) == wanted
