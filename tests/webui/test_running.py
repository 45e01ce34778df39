"""The tab in a real webui: `pytest tests/webui --webui PATH`; skipped without it.

The page is driven in Chromium, the rest of the webui over HTTP beside it.
"""

from __future__ import annotations

import shutil
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from running import PATIENCE, PROJECT, Webui, data_folder, started

import vxa

playwright = pytest.importorskip("playwright.sync_api", reason='Playwright is missing: pip install ".[test]"')

FIGURE = PROJECT / "examples" / "figure.png"
PROMPT = "a boy wearing a red hat and his white cat"
CLOSE = {"atol": 1e-3, "rtol": 0.0}
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
             "--disable-background-networking", "--disable-component-update"]  # fmt: skip


@pytest.fixture(scope="module")
def webui(installation: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webui]:
    data = data_folder(tmp_path_factory.mktemp("data"))
    with started(
        *installation, data, ["--ckpt", str(data / "models/Stable-diffusion/papercut.safetensors")]
    ) as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as begun:
        one = begun.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield one
        one.close()


@pytest.fixture
def tab(browser: Any, webui: Webui) -> Iterator[Any]:
    """The VXA tab of a page just opened; the page has no errors of its own afterwards."""
    webui.choose("papercut.safetensors")
    context = browser.new_context(viewport={"width": 1280, "height": 1100})
    errors: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(PATIENCE * 1000)
    page.goto(webui.address, wait_until="domcontentloaded")
    open_tab(page)
    yield page
    context.close()
    assert errors == []


def open_tab(page: Any) -> None:
    page.click("#tabs > .tab-nav button:has-text('VXA')")
    page.wait_for_selector("#vxa_prompt textarea", state="visible")


def look(page: Any, image: Path = FIGURE, prompt: str = PROMPT) -> str:
    """Give both, press the button, and wait for what is said of the picture."""
    give(page, image)
    page.fill("#vxa_prompt textarea", prompt)
    page.wait_for_selector("#vxa_tokens .vxa-chip-word")
    return press(page)


def give(page: Any, image: Path) -> None:
    if page.locator("#vxa_image button[aria-label='Clear']").count():
        page.click("#vxa_image button[aria-label='Clear']")
    page.set_input_files("#vxa_image input[type=file]", image)
    page.wait_for_selector("#vxa_image img")


def press(page: Any) -> str:
    before = page.inner_text("#vxa_summary")
    page.click("#vxa_press")
    page.wait_for_function(
        "said => document.querySelector('#vxa_summary').innerText !== said"
        " || document.querySelector('#vxa_message [role=alert]')",
        arg=before,
    )
    return str(page.inner_text("#vxa_summary"))


def said(page: Any) -> str:
    return str(page.wait_for_selector("#vxa_message [role=alert]").inner_text())


def maps_of(page: Any, folder: Path) -> vxa.AttentionMaps:
    """What "Make the files" gives, read back."""
    if not page.locator("#vxa_save").is_visible():
        page.click("#vxa_take > .label-wrap")
    page.click("#vxa_save")
    page.wait_for_selector("#vxa_files a[href]")
    links = page.locator("#vxa_files a[href]")
    for address in {links.nth(number).get_attribute("href") for number in range(links.count())}:
        name = urllib.parse.unquote(address.rpartition("/")[2])
        (folder / name).write_bytes(page.request.get(address).body())
    (maps,) = folder.glob("*.npz")
    return vxa.read_maps(maps)


def values(maps: vxa.AttentionMaps, word: str = "hat") -> dict[str, np.ndarray]:
    """The map of a word at every site, by the site's label."""
    return {site.label: maps.heat_map(word, sites=site.label).values for site in maps.sites}


@pytest.fixture(scope="module")
def standalone() -> vxa.AttentionMaps:
    return vxa.visualize(vxa.load("papercut"), FIGURE, PROMPT)


def test_the_map_is_that_of_the_standalone_model(
    tab: Any, standalone: vxa.AttentionMaps, tmp_path: Path
) -> None:
    assert "papercut" in look(tab)
    tab.click("#vxa_tokens .vxa-chip-word:has-text('hat')")
    tab.wait_for_selector("#vxa_picture img")
    assert tab.input_value("#vxa_indices textarea, #vxa_indices input") == "6"
    wanted, found = values(standalone), values(maps_of(tab, tmp_path))
    assert list(found) == list(wanted)
    for label, one in wanted.items():
        np.testing.assert_allclose(found[label], one, err_msg=label, **CLOSE)
    assert max(float(np.ptp(one)) for one in wanted.values()) > 0.01  # a flat map would be no test


def test_it_follows_the_checkpoint(tab: Any, webui: Webui, tmp_path: Path) -> None:
    look(tab)
    webui.choose("blind.safetensors")
    assert "blind" in press(tab)
    for label, one in values(maps_of(tab, tmp_path)).items():
        np.testing.assert_allclose(one, 1 / 77, err_msg=label, atol=1e-6)


def test_beside_a_generation_both_are_as_when_alone(
    tab: Any, webui: Webui, standalone: vxa.AttentionMaps, tmp_path: Path
) -> None:
    alone = webui.txt2img(steps=20)
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(webui.txt2img, steps=20)
        look(tab)
        assert beside.result().tobytes() == alone.tobytes()
    for label, one in values(maps_of(tab, tmp_path)).items():
        np.testing.assert_allclose(one, values(standalone)[label], err_msg=label, **CLOSE)


@pytest.mark.parametrize(
    ("prompt", "word"),
    [
        ("a hat AND a cat", "AND"),
        ("a [cat:dog:0.5]", "changes during a generation"),
        ("   ", "no words"),
    ],
)
def test_a_prompt_that_cannot_be_looked_at_is_one_sentence(tab: Any, prompt: str, word: str) -> None:
    give(tab, FIGURE)
    tab.fill("#vxa_prompt textarea", prompt)
    tab.click("#vxa_press")
    assert word in said(tab)


def test_without_an_image_it_says_so(tab: Any) -> None:
    tab.fill("#vxa_prompt textarea", PROMPT)
    tab.click("#vxa_press")
    assert "no image" in said(tab)


@pytest.mark.parametrize("size", [(320, 200), (250, 250), (33, 500)])
def test_an_image_of_any_size(tab: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "image.png"
    Image.open(FIGURE).convert("RGB").resize(size).save(path)
    look(tab, path)
    maps = maps_of(tab, tmp_path)
    assert maps.heat_map("hat").upsampled().shape == (size[1], size[0])


def test_emphasis_and_breaks_are_the_webuis(tab: Any, tmp_path: Path) -> None:
    look(tab, prompt="a (red:1.5) hat BREAK a cat <lora:absent:1>")
    maps = maps_of(tab, tmp_path)
    assert [(word.text, word.tokens) for word in maps.words] == [
        ("a", (1,)), ("red", (2,)), ("hat", (3,)), ("a", (78,)), ("cat", (79,)),
    ]  # fmt: skip
    assert maps.tokens[2].weight == 1.5
    assert len(maps.tokens) == 2 * 77


def test_it_is_there_again_after_reload_ui(tab: Any, tmp_path: Path) -> None:
    look(tab)
    with tab.expect_navigation(wait_until="domcontentloaded"):
        tab.click("#footer a:has-text('Reload UI')")
    open_tab(tab)
    assert "papercut" in look(tab)


@pytest.mark.parametrize("name", ["sdp-no-mem", "sdp", "sub-quadratic", "V1", "InvokeAI", "Doggettx", "None"])
def test_every_optimisation_gives_the_same_map(
    tab: Any, webui: Webui, standalone: vxa.AttentionMaps, tmp_path: Path, name: str
) -> None:
    webui.ask("sdapi/v1/options", {"cross_attention_optimization": name})
    look(tab)
    for label, one in values(maps_of(tab, tmp_path)).items():
        np.testing.assert_allclose(one, values(standalone)[label], err_msg=label, **CLOSE)
