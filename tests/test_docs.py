"""The documents: their links lead somewhere, none is lost, and every public error has its entry."""

from __future__ import annotations

import os
import re
import runpy
from pathlib import Path

import pytest

import vxa
from vxa import errors

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def anchors(document: Path) -> set[str]:
    """Return the anchors that the headings of a document get."""
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(document: Path) -> list[str]:
    """Return the targets of a document's links and pictures; code blocks hold none."""
    text = re.sub(r"^```.*?^```", "", document.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"(?:src|href)=\"([^\"]+)\"", text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_within_the_repository_resolve(document: Path) -> None:
    for link in links(document):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), f"{document.name} links to {link}"
        assert not anchor or anchor in anchors(target), f"{document.name} links to {link}"


def test_every_document_is_reached_from_the_readme() -> None:
    reached, waiting = set(), {ROOT / "README.md"}
    while waiting:
        document = waiting.pop()
        reached.add(document)
        named = {(document.parent / link.partition("#")[0]).resolve() for link in links(document)}
        waiting |= {path for path in named if path in DOCUMENTS} - reached
    assert reached == set(DOCUMENTS)
    assert len(reached) > 10


@pytest.mark.parametrize("name", ["check", "test"])
def test_the_contributors_commands_are_there_and_documented(name: str) -> None:
    assert os.access(ROOT / "tools" / name, os.X_OK)
    assert f"tools/{name} " in (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def entries() -> dict[str, str]:
    """Return the entries of errors.md by name, in its order."""
    parts = re.split(r"^## (\w+)$", (ROOT / "docs/errors.md").read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_public_error_has_an_entry_in_the_order_of_the_tree() -> None:
    tree = re.findall(r"(?:^    |── )(\w+Error)\b", errors.__doc__ or "", re.MULTILINE)
    assert sorted(tree) == errors.__all__
    assert list(entries()) == tree


@pytest.mark.parametrize("name", errors.__all__)
def test_an_entry_says_symptom_cause_and_cure(name: str) -> None:
    entry = entries()[name]
    assert re.findall(r"^\*\*(\w+)\.\*\* \S", entry, re.MULTILINE) == ["Symptom", "Cause", "Cure"]
    bases = [base for base in getattr(vxa, name).__bases__ if base is not Exception]
    kinds = [base.__name__ for base in bases if base.__module__ == "builtins"]
    assert re.findall(r"^\*\((\w+)\)\*$", entry, re.MULTILINE) == kinds


def test_the_table_of_settings_is_that_of_the_schema() -> None:
    with_table = runpy.run_path(str(ROOT / "docs" / "make_settings.py"))["with_table"]
    page = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    assert with_table(page) == page, "run python docs/make_settings.py"
