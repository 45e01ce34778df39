"""Names of files that every system takes, of words and of this repository itself."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT

from vxa.io.file_names import distinct_names, file_stem
from vxa.papercut import scene

FOLDERS = ("benchmarks", "docs", "examples", "javascript", "localizations", "scripts", "tests", "vxa")
DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{number}" for port in ("com", "lpt") for number in range(10)),
}


def is_valid_on_windows(name: str) -> bool:
    forbidden = set('<>:"/\\|?*') | set(map(chr, range(32)))
    return not set(name) & forbidden and name[-1] not in ". " and name.split(".")[0].lower() not in DEVICES


def key_on_macos(name: str) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


@pytest.mark.parametrize(
    ("text", "stem"),
    [
        ("hat", "hat"), ("red hat", "red-hat"), ("re-d_hat", "re-d_hat"), ("帽子", "帽子"),
        ("cafe\u0301", "caf\u00e9"), ('a<b>c:d"e/f\\g|h?i*j', "a-b-c-d-e-f-g-h-i-j"), ("hat. ", "hat"),
        ("..", "word"), ("", "word"), ("\udcff", "word"),
        ("x" * 300, "x" * 60), ("x" * 59 + " hat", "x" * 59),
        ("con", "con-word"), ("Aux", "Aux-word"), ("nul.", "nul-word"), ("com1", "com1-word"),
        ("LPT²", "LPT²-word"), ("com", "com"), ("console", "console"),
    ],
)  # fmt: skip
def test_a_text_as_a_file_name(text: str, stem: str) -> None:
    assert file_stem(text, "word") == stem


@given(st.text())
def test_any_text_is_a_file_name_on_every_system(text: str) -> None:
    stem = file_stem(text, "word")
    assert is_valid_on_windows(f"{stem}.png")
    assert len(f"{stem}-timesteps.png".encode()) <= 255
    assert file_stem(stem, "word") == stem or stem.endswith("-word")


@pytest.mark.parametrize(
    ("names", "distinct"),
    [
        ([], []),
        (["hat", "cat"], ["hat", "cat"]),
        (["hat", "cat", "hat"], ["hat-1", "cat", "hat-2"]),
        (["Hat", "hat"], ["Hat-1", "hat-2"]),
        (["hat", "hat-1", "hat"], ["hat-2", "hat-1", "hat-3"]),
        (["hat", "hat", "Hat-1", "hat-1"], ["hat-1", "hat-2", "Hat-1-1", "hat-1-2"]),
        (["STRASSE", "straße"], ["STRASSE-1", "straße-2"]),
    ],
)
def test_names_that_differ_in_letter_case_alone_are_numbered(names: list[str], distinct: list[str]) -> None:
    assert distinct_names(names) == distinct


@given(
    st.lists(st.sampled_from(["hat", "Hat", "HAT", "hat-1", "Hat-2", "ﬁ", "fi", "\u1e9b\u0323", "é", "É"]))
)
def test_distinct_names_stay_distinct_where_letter_case_is_ignored(names: list[str]) -> None:
    distinct = distinct_names(names)
    assert len({key_on_macos(name) for name in distinct}) == len(names)
    assert all(new.startswith(old) for old, new in zip(names, distinct, strict=True))


@pytest.mark.slow
def test_the_nouns_of_papercut_are_file_names() -> None:
    for seed in range(30):
        nouns = list(scene(seed).masks)
        assert [file_stem(noun, "word") for noun in nouns] == nouns == distinct_names(nouns)


def test_every_system_can_hold_this_repository() -> None:
    paths = [path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    paths = [path for path in paths if "__pycache__" not in path.parts]
    assert len(paths) > 300
    assert not [path for path in paths if not is_valid_on_windows(path.name)]
    assert len({key_on_macos(path.as_posix()) for path in paths}) == len(paths)
    # Windows takes 260 characters; a webui's extensions folder needs some of them.
    assert max(len(str(path)) for path in paths) < 120
    assert all(path.name.isascii() for path in map(Path, paths))
