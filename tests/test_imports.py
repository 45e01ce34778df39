"""Which module may import what: the table, and what `import vxa` brings in."""

from __future__ import annotations

import ast
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "vxa"

# A third-party library, and the files that may import it, as patterns below vxa/ (* spans folders). What is
# not listed may be imported nowhere.
ALLOWED = {
    "torch": ["*"],
    "numpy": ["*"],
    "PIL": ["*"],
    "diffusers": ["models/diffusers.py", "models/papercut.py", "papercut/*"],
    "transformers": ["models/papercut.py", "papercut/*"],
    "safetensors": ["models/diffusers.py", "models/papercut.py", "papercut/*"],
    "tokenizers": ["models/papercut.py", "papercut/*"],
    "tqdm": ["papercut/train/*"],
    "typer": ["cli*.py", "console.py"],
    "click": ["cli*.py", "console.py"],
    "rich": ["cli*.py", "console.py"],
}
NEVER = {"modules", "ldm", "sgm", "backend", "gradio"}

# Within the package, imports follow one direction: a layer may import itself and what stands before it.
LAYERS = [
    ["errors", "version", "atomic"],
    ["tokens", "attention"],
    ["models"],
    ["images"],
    ["maps"],
    ["visualize"],
]


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
            names.add(".".join([*package, *filter(None, [node.module])]))
    return names


def files() -> list[Path]:
    found = sorted(PACKAGE.rglob("*.py"))
    assert len(found) > 10
    return found


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_third_party_imports_are_in_their_place(path: Path) -> None:
    place = path.relative_to(PACKAGE).as_posix()
    for name in {name.partition(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) - {"vxa"}:
        assert name not in NEVER
        assert name in ALLOWED, f"{name} is not in the table"
        allowed = any(fnmatch(place, pattern) for pattern in ALLOWED[name])
        assert allowed, f"{name} may be imported in {ALLOWED[name]} alone"


@pytest.mark.parametrize("place", [p for layer in LAYERS for p in layer])
def test_the_core_imports_in_one_direction(place: str) -> None:
    level = next(number for number, layer in enumerate(LAYERS) if place in layer)
    below = {name for layer in LAYERS[: level + 1] for name in layer}
    paths = (
        [PACKAGE / f"{place}.py"]
        if (PACKAGE / f"{place}.py").exists()
        else list((PACKAGE / place).glob("*.py"))
    )
    for path in paths:
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == "vxa" and path.name != "papercut.py":
                assert len(parts) > 1, f"{path} imports the package itself"
                assert parts[1] in below, f"{path} imports {name}"


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
from vxa.attention.record import record
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
    assert not run("", set()) & HEAVY


def test_the_core_needs_only_torch_numpy_and_pillow() -> None:
    loaded = run(CORE, HEAVY)
    assert not loaded & HEAVY
    assert {"torch", "numpy", "PIL"} <= loaded
