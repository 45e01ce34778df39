"""Choosing a model in the page, in Chromium, over tiny models that are loaded while the page is up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.accessibility import findings
from support.browser import MARKS, PATIENCE, chip, look, opened, served
from support.tiny_models import make_sd_pipeline, make_sdxl_pipeline

from vxa.models import find_model
from vxa.models.choices import ModelChoice
from vxa.models.settings import LoadSettings
from vxa.ui.backend import Example
from vxa.ui.loading import ModelLoader
from vxa.ui.local import choosing_backend

pytestmark = MARKS
PROMPT = "red hat, neck"


@pytest.fixture(scope="module")
def gate() -> threading.Event:
    """What reading any weights waits for."""
    return threading.Event()


@pytest.fixture(scope="module")
def loader(
    tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory, gate: threading.Event
) -> Iterator[ModelLoader]:
    folder = tmp_path_factory.mktemp("models")
    for name, make in (("sd", make_sd_pipeline), ("xl", make_sdxl_pipeline), ("broken", make_sd_pipeline)):
        make(tokenizer_folder).save_pretrained(folder / name)
    (weights,) = (folder / "broken" / "unet").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:3000])

    def find(source: str) -> Any:
        def read(dtype: Any, advance: Any) -> Any:
            advance(3_000_000_000, 4_000_000_000)
            assert gate.wait(PATIENCE / 1000)
            return find_model(source)(dtype, advance)

        return read

    choices = [ModelChoice(name, str(folder / name)) for name in ("sd", "xl", "broken")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vxa.ui.loading.find_model", find)
        yield ModelLoader(choices, LoadSettings(device="cpu"), "sd")


@pytest.fixture(scope="module")
def address(loader: ModelLoader, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    photo = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.effect_noise((24, 40), 90).save(photo)
    shown = (Example(photo, PROMPT),)
    with served(lambda folder: choosing_backend(loader, loader.slot, shown)) as address:
        yield address


def status(page: Any, text: str) -> Any:
    """Wait for the text in the line on the model."""
    found = page.locator("#vxa_model_status").get_by_text(text)
    found.wait_for()
    return found


def choose(page: Any, name: str) -> None:
    """Choose a model by the keyboard: what is written filters the list."""
    page.focus("#vxa_model input")
    page.keyboard.press("Control+A")
    page.keyboard.type(name)
    page.get_by_role("option", name=name).wait_for()
    page.keyboard.press("Enter")


def first_site(page: Any) -> str:
    value: str = page.locator("#vxa_sites input").input_value()
    return value


def test_models_are_loaded_and_exchanged_while_the_page_is_up(
    browser: Any, address: str, loader: ModelLoader, gate: threading.Event
):
    loader.choose("sd")
    with opened(browser, address, ready="#vxa_model_status progress") as page:
        status(page, "loading sd: 3.0 GB of 4.0 GB")
        assert page.get_attribute("#vxa_model_status progress", "value") == "0.750"
        assert page.locator(".vxa-chip").count() == 0
        page.click("#vxa_press")  # the first request waits for the model
        page.locator("#vxa_picture").get_by_text("loading sd").wait_for()
        gate.set()
        page.wait_for_selector("#vxa_picture img")
        status(page, "sd · fp32 on the CPU")
        chip(page, "hat").click()
        chip(page, "neck").wait_for()
        sites = first_site(page)
        with opened(browser, address) as second:
            choose(page, "xl")
            status(page, "xl · fp32 on the CPU")
            page.locator("#vxa_earlier").get_by_text("The picture is still of model").wait_for()
            assert chip(page, "hat").get_attribute("aria-pressed") == "true"
            assert first_site(page) == sites.replace("f4", "all")  # there is no attention at that level
            status(second, "xl · fp32 on the CPU")  # another page follows
            assert second.locator("#vxa_model input").input_value() == "xl"
            look(page)
            page.locator("#vxa_summary").get_by_text("/xl ·").wait_for()
            page.wait_for_selector("#vxa_earlier p", state="detached")
            choose(page, "broken")
            status(page, "cannot load a model from")
            status(page, "xl · fp32 on the CPU")
            assert page.locator("#vxa_model input").input_value() == "xl"
            assert findings(page) == []
