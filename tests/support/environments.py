"""Pythons in which the page runs under each gradio: this one, and one for each of the webuis' versions.

    python tests/support/environments.py     # make the missing ones, and print their paths

For an older gradio it is a virtual environment with exactly the packages of gradio-VERSION.txt, cached by the
hash of that file. torch is too large to install three times: what runs there gets torch, and vxa itself, from
the main environment, by a folder on PYTHONPATH that holds nothing else.
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
    """Failure to make an environment; its message is the reason."""


def python_of(gradio: str) -> str:
    """Return the path of the Python with this gradio; make its environment if the cache has none."""
    if gradio == "6":
        return sys.executable
    pins = _HERE / f"gradio-{gradio}.txt"
    made = _cache() / f"gradio-{gradio}-{_key(pins)}"
    if not made.is_dir():
        _make(made, pins)
    return str(_python(made))


def borrowed(folder: Path) -> Path:
    """Put links to the packages that every environment takes from this one into the folder; return it."""
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
    """Hash all that the environment depends on: its pins and the Python that makes it."""
    return hashlib.sha256(pins.read_bytes() + f"{sys.version}{sys.platform}".encode()).hexdigest()[:16]


def _python(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _make(environment: Path, pins: Path) -> None:
    """Make the environment in a temporary folder and rename it: a stopped run leaves no half of one."""
    environment.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix="making-", dir=environment.parent))
    try:
        _run([sys.executable, "-m", "venv", str(unfinished)])
        # No dependencies: the pins are the whole environment, and Pillow is newer than these gradios allow.
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
        lines = [line for line in error.stderr.splitlines() if line.startswith("ERROR")]
        reason = lines[-1] if lines else "no reason given"
        raise CannotMake(f"{' '.join(command[1:4])} failed: {reason}") from error


if __name__ == "__main__":
    for version in GRADIOS:
        try:
            found = python_of(version)
        except CannotMake as reason:
            found = f"none, its tests will skip: {reason}"
        sys.stdout.write(f"gradio {version}: {found}\n")
        sys.stdout.flush()
