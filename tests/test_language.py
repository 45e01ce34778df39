"""How the package is written: docstrings that say the fact first, classes named by nouns.

A function's docstring begins with a verb in the imperative ("Return the map …"), one of support/verbs.txt;
that of a class, a property or a module with a noun. vxa/ui keeps its words until its page is rewritten.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from support import ROOT, SUPPORT

VERBS = set((SUPPORT / "verbs.txt").read_text("utf-8").split())
NO_OPENERS = {"How", "That", "Those", "What", "When", "Where", "Which", "Who", "Whose", "Why"}
# Participles by themselves; those on -ing that are nouns of the field are named here.
NOUNS = {"Conditioning", "Recording", "Sampling", "Setting", "Thing"}
PARTICIPLES = re.compile(
    r"_?(Given|Shown|Kept|Made|Told|Seen|Known|Held|Chosen|Drawn|Taken|Found|Spoken|Written|[A-Z][a-z]+(ed|ing))"
)
LATER = {"ui"}
FILES = [
    path for path in sorted((ROOT / "vxa").rglob("*.py")) if path.relative_to(ROOT).parts[1] not in LATER
]
by_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))


def opener(node: ast.AST) -> str | None:
    """The first word of a definition's docstring; None where it has none."""
    text = ast.get_docstring(node)  # type: ignore[arg-type]
    return re.split(r"[^\w'-]", text.strip())[0] if text else None


def is_property(node: ast.AST) -> bool:
    return any("property" in ast.dump(each) for each in getattr(node, "decorator_list", ()))


@by_file
def test_docstrings_say_the_fact_first(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    wrong = []
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        word = opener(node)
        named = isinstance(node, (ast.Module, ast.ClassDef)) or is_property(node)
        if word and (word in NO_OPENERS if named else word not in VERBS):
            wrong.append(f"{getattr(node, 'lineno', 1)}: {word} …")
    assert not wrong, "begin with a verb (functions) or a noun: " + "; ".join(wrong)


@by_file
def test_no_class_is_named_by_a_participle(path: Path) -> None:
    names = [
        node.name for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ClassDef)
    ]
    assert not [name for name in names if PARTICIPLES.fullmatch(name) and name.lstrip("_") not in NOUNS]


def test_the_guard_sees_what_it_guards_against() -> None:
    function = ast.parse('def f():\n    """What is drawn."""').body[0]
    assert opener(function) == "What"
    assert PARTICIPLES.fullmatch("Asked")
    assert PARTICIPLES.fullmatch("_Watching")
    assert not PARTICIPLES.fullmatch("SessionExpired")
    assert VERBS.isdisjoint(NO_OPENERS)
