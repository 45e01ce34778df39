"""Tiny random models in the shape of SD1 and SDXL, made once, in a folder of the test run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image
from support import ldm_code
from support.packages import CannotInstall
from support.tiny_models import make_sd_pipeline, make_sdxl_pipeline, write_tokenizer

# On a busy machine a first example can take longer than hypothesis allows.
settings.register_profile("vxa", deadline=None)
settings.load_profile("vxa")


# What a test asks for says what it takes to run it.
MARKS = {"installation": "webui", "browser": "browser", "ldm": "network"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test that asks for a webui, a browser or a released package, before any is deselected."""
    for item in items:
        for name in MARKS.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(MARKS[name])


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Tiny tensors on a busy machine: more threads than free cores are many times slower."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP tokenizer's files with every byte and a few merges: hat, neck, red and "and" are one token."""
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture
def sd_pipeline(tokenizer_folder: Path) -> Any:
    return make_sd_pipeline(tokenizer_folder)


@pytest.fixture
def sdxl_pipeline(tokenizer_folder: Path) -> Any:
    return make_sdxl_pipeline(tokenizer_folder)


@pytest.fixture
def sd_model(sd_pipeline: Any) -> Any:
    from vxa.models.diffusers import DiffusersModel

    return DiffusersModel(sd_pipeline, name="tiny")


@pytest.fixture
def sdxl_model(sdxl_pipeline: Any) -> Any:
    from vxa.models.diffusers import DiffusersModel

    return DiffusersModel(sdxl_pipeline, name="tiny-xl")


@pytest.fixture(scope="session")
def ldm() -> ldm_code.Modules:
    try:
        return ldm_code.load()
    except CannotInstall as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def papercut_ldm(ldm: ldm_code.Modules, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Papercut as exported for the webui, in ldm's own networks."""
    from vxa.models.ldm.checkpoint import write_checkpoint

    return ldm_code.load_papercut(ldm, write_checkpoint(tmp_path_factory.mktemp("webui")))


@pytest.fixture
def picture() -> Image.Image:
    """40 rows by 24 columns of noise: never square, and no multiple of what a model wants."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 24, 3), dtype=np.uint8)
    return Image.fromarray(pixels)
