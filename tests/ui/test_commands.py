"""Commands to be pasted: one line that sh, PowerShell and cmd read alike, where one line can be that."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.maps import made_maps

from vxa.ui.asked import Asked
from vxa.ui.commands import command_line


def line_of(prompt: str, source: str = "papercut", image: str = "my cat.png", tokens: str = "") -> str:
    passes = [made_maps(prompt=prompt).provenance]
    return command_line(source, image, passes, Asked(tokens), "out.png")


def windows_words(line: str) -> list[str]:
    """The words that a program for Windows gets of a line without backslashes before double quotes."""
    return [word.replace('"', "") for word in re.findall(r'(?:[^\s"]|"[^"]*")+', line)]


@pytest.mark.parametrize(
    ("prompt", "source", "image"),
    [
        ("a boy wearing a red hat, and 100% wool", "papercut", "photo.png"),
        (
            "a boy's hat (red:1.2) [a:b:5] & <lora:x:1>; #1 | ^ ~ *",
            r"C:\models\my model.safetensors",
            "a b.png",
        ),
        ("", "C:/models/model", "=x.png"),
        ("-x", "owner/name", "@x.png"),
    ],
)
def test_every_shell_reads_the_same_words(prompt: str, source: str, image: str) -> None:
    line = line_of(prompt, source, image, "1, 3-5")
    assert "'" not in line or "'" in prompt
    assert windows_words(line) == shlex.split(line)
    assert {prompt, image, "1, 3-5"} <= set(shlex.split(line))


def test_a_list_is_one_word_for_powershell() -> None:
    assert '--tokens "1,3"' in line_of("hat", tokens="1,3")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40))
@example('a "hat"')
@example("$HOME `pwd` !! \\\\server \\")
@example("“hat”\nneck\\")
def test_sh_reads_back_any_prompt(prompt: str) -> None:
    assert shlex.split(line_of(prompt)) == _words(prompt)


def _words(prompt: str) -> list[str]:
    given = ["my cat.png", prompt]
    options = ["--timestep", "1", "--seed", "7", "--mode", "overlay", "-o", "out.png"]
    if prompt.startswith("-"):
        return ["vxa", "show", *options, "--", *given]
    return ["vxa", "show", *given, *options]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no sh")
@pytest.mark.parametrize(
    "prompt",
    ["a boy's hat", 'a "hat"', "$HOME `pwd` !!", r"C:\new\table $5", "\\\\server\\x\\", "100% %s {a,b}"],
)
def test_a_real_sh_reads_it_back(prompt: str) -> None:
    script = "vxa() { printf '%s\\0' \"$@\"; }\n" + line_of(prompt)
    said = subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout.decode()
    assert said.split("\0")[:-1] == _words(prompt)[1:]


def test_on_windows_only_its_own_shells_count(monkeypatch: pytest.MonkeyPatch) -> None:
    prompt, source = "what a hat!", r"\\server\models\sd.safetensors"
    assert f"'{prompt}'" in line_of(prompt, source)  # sh would look for an earlier command
    monkeypatch.setattr(sys, "platform", "win32")
    line = line_of(prompt, source)
    assert f'"{prompt}"' in line
    assert f'"{source}"' in line
    assert windows_words(line)[3] == prompt
    assert "'$5 hat'" in line_of("$5 hat")  # PowerShell would put a variable there
