"""Which module may import what: the tables of docs/architecture.md, and what `import vxa` brings in."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "vxa"
ARCHITECTURE = PACKAGE.parent / "docs" / "architecture.md"
NEVER = {"ldm", "sgm", "backend"}


def table(heading: str) -> list[list[list[str]]]:
    """The names in backquotes in each cell of the table under a heading, row by row."""
    section = ARCHITECTURE.read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[re.findall(r"`([^`]+)`", cell) for cell in line.split("|")[1:-1]] for line in lines[2:]]


# A row of modules, as patterns, and the modules that the row may import.
ROWS = [(cells[0], cells[-1]) for cells in table("Modules")]
# A third-party library, and the files that may import it, as patterns below vxa/ (* spans folders).
LIBRARIES = {library: places for libraries, places in table("Libraries") for library in libraries}


def row_of(module: str) -> int:
    """The row of a module below vxa ("maps"; "" is vxa itself), by the longest name that fits."""
    fits = [
        (len(name), number)
        for number, (names, _) in enumerate(ROWS)
        for name in names
        if fnmatch(module or "__init__", name) or fnmatch(module, f"{name}.*")
    ]
    assert fits, f"give vxa.{module} its place in docs/architecture.md"
    return max(fits)[1]


def imports(path: Path) -> set[str]:
    """The full names of the modules that a file imports, lazily or not, but for type checkers."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = ["vxa", *path.relative_to(PACKAGE).parts][: -node.level] if node.level else []
            base = ".".join([*package, *filter(None, [node.module])])
            names |= {submodule(base, alias.name) for alias in node.names}
    return names


def submodule(base: str, name: str) -> str:
    """What `from base import name` loads: a module of ours where there is one, else the base."""
    path = PACKAGE.parent.joinpath(*base.split("."), name)
    ours = base.partition(".")[0] == "vxa"
    return f"{base}.{name}" if ours and (path.is_dir() or path.with_suffix(".py").exists()) else base


def files() -> list[Path]:
    found = sorted(PACKAGE.rglob("*.py"))
    assert len(found) > 10
    return found


by_file = pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))


@by_file
def test_third_party_imports_are_in_their_place(path: Path) -> None:
    place = path.relative_to(PACKAGE).as_posix()
    for name in {name.partition(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) - {"vxa"}:
        assert name not in NEVER
        assert name in LIBRARIES, f"{name} is not in the table of docs/architecture.md"
        allowed = any(fnmatch(place, pattern) for pattern in LIBRARIES[name])
        assert allowed, f"{name} may be imported in {LIBRARIES[name]} alone"


@by_file
def test_imports_within_the_package_are_in_the_table(path: Path) -> None:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    own = row_of(module)
    allowed = {own, *map(row_of, ROWS[own][1])}
    for name in imports(path):
        if name.partition(".")[0] == "vxa":
            imported = row_of(name.removeprefix("vxa").removeprefix("."))
            assert imported in allowed, f"vxa.{module} may not import {name}: see docs/architecture.md"


def test_the_table_never_goes_back() -> None:
    assert len(ROWS) > 10
    for number, (_, imported) in enumerate(ROWS):
        for name in imported:
            assert row_of(name) < number, f"{name} is not above {ROWS[number][0]}"


def test_the_table_names_only_what_there_is() -> None:
    modules = [".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in files()]
    for names, _ in ROWS:
        for name in names:
            assert any(fnmatch(module, name) or fnmatch(module, f"{name}.*") for module in modules), name
    places = [path.relative_to(PACKAGE).as_posix() for path in files()]
    for library, patterns in LIBRARIES.items():
        for pattern in patterns:
            assert any(fnmatch(place, pattern) for place in places), (library, pattern)


PROBE = """
import builtins, sys
real = builtins.__import__
def only(name, globals=None, locals=None, fromlist=(), level=0):
    if level == 0 and name.partition('.')[0] in {missing!r}:
        raise AssertionError(name)
    return real(name, globals, locals, fromlist, level)
builtins.__import__ = only
import vxa
{then}
print(*sorted({{name.partition('.')[0] for name in sys.modules}}))
"""

HEAVY = {
    "gradio",
    "diffusers",
    "transformers",
    "modules",
    "accelerate",
    "typer",
    "rich",
    "safetensors",
    "peft",
}

# The core works on a Model that nobody but the caller knows: here on none at all.
CORE = """
from vxa.attention.recording import record
from vxa.tokens import parse_indices
assert parse_indices("1, 3-5", 77) == (1, 3, 4, 5)
for name in vxa.__all__:
    getattr(vxa, name)
"""


def run(then: str, missing: set[str]) -> set[str]:
    code = PROBE.format(then=then, missing=missing)
    command = [sys.executable, "-W", "error", "-c", code]
    return set(
        subprocess.run(command, check=True, capture_output=True, text=True, cwd=PACKAGE.parent).stdout.split()
    )


def test_import_vxa_loads_none_of_the_heavy_libraries() -> None:
    assert not run("", set()) & (HEAVY | {"torch", "numpy", "PIL"})


@pytest.mark.slow
def test_the_core_needs_only_torch_numpy_and_pillow() -> None:
    loaded = run(CORE, HEAVY)
    assert not loaded & HEAVY
    assert {"torch", "numpy", "PIL"} <= loaded
