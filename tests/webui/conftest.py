"""Fixtures: a fake webui in sys.modules (`host`), and the real one that `--webui` names (`webui`)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import ldm_code
from support.browser import chromium
from support.fake_host import FakeHost, as_the_webui_has_it
from support.running import FIGURE, PATIENCE, PROMPT, Webui, data_folder, models_folder, open_tab, started
from support.shapes import write_shapes

import vxa


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--webui", help="the folder of an AUTOMATIC1111 webui that runs, to be driven")
    parser.addoption("--webui-python", help="its Python; by default the one of its venv")
    parser.addoption("--controlnet", help="the folder of the webui's ControlNet extension, to be run beside")
    parser.addoption("--adetailer", help="the folder of its ADetailer extension, likewise")


@pytest.fixture(scope="session")
def installation(pytestconfig: pytest.Config) -> tuple[Path, Path]:
    """The webui's folder and its Python."""
    given = pytestconfig.getoption("--webui", default=None)
    if not given:
        pytest.skip("no webui was given: pytest -m webui tests/webui --webui PATH")
    folder = Path(given).expanduser().resolve()
    python = pytestconfig.getoption("--webui-python") or folder / "venv" / "bin" / "python"
    if not (folder / "launch.py").is_file() or not Path(python).is_file():
        pytest.fail(f"{folder} holds no webui, or {python} is no Python")
    return folder, Path(python)


@pytest.fixture(scope="session")
def webui(installation: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webui]:
    """The running webui that most tests use."""
    data = data_folder(tmp_path_factory.mktemp("data"))
    flags = ["--ckpt", str(models_folder(data) / "papercut.safetensors")]
    with started(*installation, data, flags) as one:
        yield one


@pytest.fixture
def papercut(webui: Webui) -> Webui:
    """The running webui with papercut as its checkpoint."""
    webui.choose("papercut.safetensors")
    return webui


@pytest.fixture(scope="session")
def shapes(webui: Webui, installation: tuple[Path, Path]) -> Iterator[Webui]:
    """The running webui with checkpoints of the other shapes that it supports."""
    write_shapes(models_folder(webui.data) / "papercut.safetensors", *installation)
    webui.ask("sdapi/v1/refresh-checkpoints", {})
    with webui.options(live_previews_enable=False):  # SDXL's previews would download a model
        yield webui
    webui.choose("papercut.safetensors")


@pytest.fixture(scope="session")
def standalone() -> vxa.AttentionMaps:
    """VXA's own maps of the figure, without a webui."""
    return vxa.visualize(vxa.load("papercut"), FIGURE, PROMPT)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as one:
        yield one


@pytest.fixture
def tab(papercut: Webui, browser: Any) -> Iterator[Any]:
    """The VXA tab of a new page; checks afterwards that the page had no errors."""
    context = browser.new_context(viewport={"width": 1280, "height": 1100})
    errors: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(PATIENCE * 1000)
    page.goto(papercut.address, wait_until="domcontentloaded")
    open_tab(page)
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHost]:
    """A fake webui without a loaded model; the modules below vxa.webui are imported again for it."""
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
    """The tab's backend, created before a model is loaded."""
    return importlib.import_module("vxa.webui.backend").webui_backend()


@pytest.fixture
def checkpoint(ldm: ldm_code.Modules) -> Any:
    return as_the_webui_has_it(ldm_code.tiny_ldm(ldm), "one")


@pytest.fixture
def another(ldm: ldm_code.Modules) -> Any:
    """A checkpoint of another shape: one more level, so other sites."""
    levels = {"channel_mult": [1, 2, 2], "attention_resolutions": [1, 2, 4]}
    return as_the_webui_has_it(ldm_code.tiny_ldm(ldm, **levels), "another")
