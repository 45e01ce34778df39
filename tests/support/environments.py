"""The Pythons in which the page runs under each gradio: this one, and those of the webuis' pins.

    python tests/support/environments.py     # make what is missing, and say where it is

An environment of the older gradios is a virtual environment with exactly the packages of gradio-VERSION.txt,
kept in the cache by the hash of that file. Only torch is too large to have thrice: what is run there gets
the main environment's, and vxa itself, by a folder on PYTHONPATH that holds nothing else.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["GRADIOS", "CannotMake", "borrowed", "python_of"]

GRADIOS = ("6", "4.40.0", "3.41.2")
_HERE = Path(__file__).parent
_BORROWED = ("torch", "torchgen", "functorch", "vxa")
_PATIENCE = 1200  # seconds


class CannotMake(Exception):
    """There is no such environment, for the reason that it tells."""


def python_of(gradio: str) -> str:
    """The path of the Python with this gradio, its environment made where the cache has none."""
    if gradio == "6":
        return sys.executable
    pins = _HERE / f"gradio-{gradio}.txt"
    made = _cache() / f"gradio-{gradio}-{_key(pins)}"
    if not made.is_dir():
        _make(made, pins)
    return str(_python(made))


def borrowed(folder: Path) -> Path:
    """The folder, with links to the packages that every environment takes from this one."""
    for name in _BORROWED:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise CannotMake(f"{name} is not installed here")
        (folder / name).symlink_to(Path(spec.origin).parent, target_is_directory=True)
    return folder


def _cache() -> Path:
    base = os.environ.get("VXA_TEST_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vxa-tests"


def _key(pins: Path) -> str:
    """What the environment depends on: its pins and the Python that makes it."""
    return hashlib.sha256(pins.read_bytes() + f"{sys.version}{sys.platform}".encode()).hexdigest()[:16]


def _python(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _make(environment: Path, pins: Path) -> None:
    """Make it beside its place and move it there whole: a run that is cut short leaves no half of one."""
    environment.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix="making-", dir=environment.parent))
    try:
        _run([sys.executable, "-m", "venv", str(unfinished)])
        # No dependencies: the pins are the whole environment, and Pillow is newer than these gradios ask for.
        options = ["-q", "--no-deps", "--no-compile", "--only-binary", ":all:", "--retries", "1"]
        _run([str(_python(unfinished)), "-m", "pip", "install", *options, "-r", str(pins)])
        if not environment.exists():  # else another run was faster
            unfinished.rename(environment)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise CannotMake(f"{' '.join(command)} took longer than {_PATIENCE} s") from error
    except subprocess.CalledProcessError as error:
        said = [line for line in error.stderr.splitlines() if line.startswith("ERROR")] or ["no reason given"]
        raise CannotMake(f"{' '.join(command[1:4])} failed: {said[-1]}") from error


if __name__ == "__main__":
    for version in GRADIOS:
        try:
            found = python_of(version)
        except CannotMake as reason:
            found = f"none, its tests will skip: {reason}"
        sys.stdout.write(f"gradio {version}: {found}\n")
        sys.stdout.flush()
