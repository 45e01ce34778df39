"""A fake webui in sys.modules for the tests that ask for `host`; the real one that `--webui` names."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ldm_code
import pytest
from fake_host import FakeHost, as_the_webui_has_it


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--webui", help="the folder of an AUTOMATIC1111 webui that runs, to be driven")
    parser.addoption("--webui-python", help="its Python; by default the one of its venv")


@pytest.fixture(scope="session")
def installation(pytestconfig: pytest.Config) -> tuple[Path, Path]:
    """The webui's folder and its Python."""
    given = pytestconfig.getoption("--webui", default=None)
    if not given:
        pytest.skip("no webui was given: pytest tests/webui --webui PATH")
    folder = Path(given).expanduser().resolve()
    python = pytestconfig.getoption("--webui-python") or folder / "venv" / "bin" / "python"
    if not (folder / "launch.py").is_file() or not Path(python).is_file():
        pytest.fail(f"{folder} holds no webui, or {python} is no Python")
    return folder, Path(python)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHost]:
    """A webui that has loaded no model yet; the modules below vxa.webui are imported anew for it."""
    made = FakeHost(folder=tmp_path)
    for name in [name for name in sys.modules if name == "vxa.webui" or name.startswith("vxa.webui.")]:
        monkeypatch.delitem(sys.modules, name)
    for name, module in made.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    yield made
    for name in [name for name in sys.modules if name.startswith("vxa.webui.")]:
        del sys.modules[name]
    assert not made.lock.held


@pytest.fixture
def backend(host: FakeHost) -> Any:
    """The tab's backend, made while there is no model."""
    return importlib.import_module("vxa.webui.backend").webui_backend()


@pytest.fixture
def checkpoint(ldm: ldm_code.Modules) -> Any:
    return as_the_webui_has_it(ldm_code.tiny_ldm(ldm), "one")


@pytest.fixture
def another(ldm: ldm_code.Modules) -> Any:
    """A checkpoint of another shape: one level more, so other sites."""
    levels = {"channel_mult": [1, 2, 2], "attention_resolutions": [1, 2, 4]}
    return as_the_webui_has_it(ldm_code.tiny_ldm(ldm, **levels), "another")
