"""Fixtures of the page's tests, over the backend of replayed.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.replayed import PASS, PROMPT, SIZE, make_backend

from vxa.ui.backend import Backend
from vxa.ui.downloads import Downloads
from vxa.ui.handlers import Handlers


@pytest.fixture(scope="session")
def image_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    path = tmp_path_factory.mktemp("image") / "my cat.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def backend(image_file: Path) -> Backend:
    return make_backend(image_file)


@pytest.fixture
def handlers(backend: Backend, tmp_path: Path) -> Handlers:
    folder = tmp_path / "downloads"
    folder.mkdir()
    return Handlers(backend, Downloads(folder))


@pytest.fixture
def page_id(handlers: Handlers, image_file: Path) -> str:
    """The id of a page that has looked at the image."""
    handlers.run("mine", str(image_file), PROMPT, *PASS)
    return "mine"


@pytest.fixture
def passes(handlers: Handlers) -> list[int]:
    """The timesteps of the passes that are made from now on."""
    made: list[int] = []
    run = handlers.backend.run

    def counted(image, prompt, timestep, noise, seed, progress, refine=False):  # type: ignore[no-untyped-def]
        made.append(timestep)
        return run(image, prompt, timestep, noise, seed, progress, refine=refine)

    object.__setattr__(handlers.backend, "run", counted)
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from support.browser import chromium

    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page at the module's `address`, just opened."""
    from support.browser import opened

    with opened(browser, address) as page:
        yield page
