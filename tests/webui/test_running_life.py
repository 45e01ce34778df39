"""A real webui's life: no checkpoint, a broken one, little memory, two copies, an update, without VXA."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.running import (
    FIGURE,
    PATIENCE,
    PROJECT,
    PROMPT,
    Webui,
    add_probe,
    assert_the_same,
    data_folder,
    models_folder,
    open_tab,
    refusal,
    reload_ui,
    started,
    values,
)

import vxa
from vxa.models.ldm.checkpoint import write_checkpoint

PARTS = ("vxa", "scripts", "javascript", "style.css", "examples", "localizations", "pyproject.toml")


@pytest.mark.parametrize("flag", ["--lowvram", "--medvram"])
def test_with_little_memory_the_maps_are_the_same(
    installation: tuple[Path, Path], standalone: vxa.AttentionMaps, tmp_path: Path, flag: str
) -> None:
    data = data_folder(tmp_path)
    with started(
        *installation, data, [flag, "--ckpt", str(models_folder(data) / "papercut.safetensors")]
    ) as one:
        image = one.txt2img()
        before = one.ask("probe/state")
        assert_the_same(one.look(FIGURE, PROMPT), standalone)
        one.ask("probe/hold", {})
        # The next pass waits and is interrupted, while only some parts of the model are on the device.
        with ThreadPoolExecutor(1) as pool:
            looking = pool.submit(refusal, lambda: one.look(FIGURE, PROMPT))
            assert one.ask("probe/held")
            one.ask("sdapi/v1/interrupt", {})
            one.ask("probe/release", {})
            assert looking.result()[0] == 422
        assert one.ask("probe/went_on") is False
        assert_the_same(one.look(FIGURE, PROMPT), standalone)
        assert one.txt2img().tobytes() == image.tobytes()
        assert one.ask("probe/state")["hooks"] == before["hooks"]


def test_in_half_precision_the_maps_are_those_of_single(
    installation: tuple[Path, Path], standalone: vxa.AttentionMaps, tmp_path: Path
) -> None:
    """Only `--precision half` works on a CPU: a GPU's other half modes break the webui's own generations."""
    data = data_folder(tmp_path)
    flags = ["--precision", "half", "--ckpt", str(models_folder(data) / "papercut.safetensors")]
    with started(*installation, data, flags, half=True) as one:
        image = one.txt2img()
        assert one.ask("probe/state")["dtype"] == "torch.float16"
        expected = values(standalone)
        for label, found in values(one.look(FIGURE, PROMPT)).items():
            np.testing.assert_allclose(found, expected[label], err_msg=label, atol=5e-3)
        traced = {"alwayson_scripts": {"VXA": {"args": [{"words": "hat"}]}}}
        assert one.txt2img(**traced).tobytes() == image.tobytes()


@pytest.fixture(scope="module")
def empty(installation: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webui]:
    """A webui without a checkpoint, with two copies of the extension."""
    data = tmp_path_factory.mktemp("empty")
    models_folder(data).mkdir(parents=True)
    add_probe(data)
    for name in ("vxa", "vxa-again"):
        copy = data / "extensions" / name
        copy.mkdir(parents=True)
        for part in PARTS:
            whole = PROJECT / part
            (shutil.copytree if whole.is_dir() else shutil.copy)(whole, copy / part)
    with started(*installation, data) as one:
        yield one


def page_of(browser: Any, webui: Webui) -> Any:
    page = browser.new_context(viewport={"width": 1280, "height": 1100}).new_page()
    page.set_default_timeout(PATIENCE * 1000)
    page.goto(webui.address, wait_until="domcontentloaded")
    return page


# These tests run in this order: each continues from the state that the one before it left.


def test_the_tab_is_there_without_a_checkpoint_and_a_second_copy_says_so(browser: Any, empty: Webui) -> None:
    page = page_of(browser, empty)
    open_tab(page)
    assert "no checkpoint loaded" in page.wait_for_selector("#vxa_message [role=alert]").inner_text()
    assert page.input_value("#vxa_sites input") == "default sites"
    tabs = page.locator("#tabs > .tab-nav button:has-text('VXA')")
    assert tabs.count() == 2
    tabs.nth(1).click()
    said = page.locator("[role=alert]:visible").inner_text()
    assert "installed twice" in said
    assert str(empty.data / "extensions" / "vxa-again") in said
    code, detail = refusal(lambda: empty.look(FIGURE, PROMPT))
    assert (code, "no checkpoint" in detail or "could not load" in detail) == (422, True)
    page.context.close()


def test_a_checkpoint_that_fails_is_one_sentence_and_the_next_one_works(
    browser: Any, empty: Webui, standalone: vxa.AttentionMaps
) -> None:
    (models_folder(empty.data) / "broken.safetensors").write_bytes(b"no checkpoint at all")
    empty.ask("sdapi/v1/refresh-checkpoints", {})
    code, detail = refusal(lambda: empty.look(FIGURE, PROMPT))
    assert (code, "could not load its checkpoint" in detail) == (422, True)
    page = page_of(browser, empty)
    open_tab(page)
    page.wait_for_selector("#vxa_message [role=alert]")
    write_checkpoint(models_folder(empty.data))
    empty.ask("sdapi/v1/refresh-checkpoints", {})
    empty.choose("papercut.safetensors")
    assert_the_same(empty.look(FIGURE, PROMPT), standalone)
    # The page that is already open is updated without a reload.
    chosen = "default sites (IN01, OUT02, OUT03)"
    page.wait_for_function(
        "chosen => document.querySelector('#vxa_sites input').value === chosen", arg=chosen
    )
    assert page.locator("#vxa_message [role=alert]").count() == 0
    page.context.close()


def test_an_update_on_disk_asks_for_a_restart_after_reload_ui(browser: Any, empty: Webui) -> None:
    updated = empty.data / "extensions" / "vxa" / "vxa" / "errors.py"
    updated.write_text(updated.read_text("utf-8") + "\n", "utf-8")
    page = page_of(browser, empty)
    reload_ui(page, empty)
    page.locator("#tabs > .tab-nav button:has-text('VXA')").nth(0).click()
    assert "restart the webui" in page.locator("[role=alert]:visible").first.inner_text()
    page.context.close()


def test_without_the_extension_papercut_is_refused_by_name(
    installation: tuple[Path, Path], tmp_path: Path
) -> None:
    models_folder(tmp_path).mkdir(parents=True)
    add_probe(tmp_path)
    checkpoint = write_checkpoint(models_folder(tmp_path))
    with started(*installation, tmp_path, ["--ckpt", str(checkpoint)]) as one:
        with pytest.raises(Exception, match="500"):
            one.txt2img()
        assert "No module named 'vxa'" in (tmp_path / "log.txt").read_text("utf-8")
