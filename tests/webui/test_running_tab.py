"""The tab in a real webui, beyond the panel itself: `pytest -m webui tests/webui --webui PATH`.

Images sent to it, an image's own prompt offered, pictures saved among the webui's, settings, Japanese.
Screenshots stay in pytest's temporary folder for inspection.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.running import (
    FIGURE,
    PATIENCE,
    PROMPT,
    Webui,
    data_folder,
    give,
    look,
    models_folder,
    open_tab,
    reload_ui,
    started,
    value,
    wait_for_value,
)  # fmt: skip

from vxa.io.infotext import parse_infotext, read_infotext

MADE = "a boy wearing a red hat"


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shots")


def opened(browser: Any, webui: Webui) -> Any:
    page = browser.new_context(viewport={"width": 1280, "height": 1100}).new_page()
    page.set_default_timeout(PATIENCE * 1000)
    page.goto(webui.address, wait_until="domcontentloaded")
    page.wait_for_selector("#txt2img_prompt textarea", state="visible")
    return page


@pytest.fixture
def page(browser: Any, papercut: Webui) -> Iterator[Any]:
    one = opened(browser, papercut)
    yield one
    one.context.close()


def to_tab(page: Any, name: str) -> None:
    page.click(f"#tabs > .tab-nav button:has-text('{name}')")


def set_number(page: Any, name: str, number: int) -> None:
    page.fill(f"#{name} input[type=number]", str(number))
    page.locator(f"#{name} input[type=number]").blur()


def generate(page: Any, count: int = 1) -> None:
    """Generate in txt2img's page, then type another prompt there."""
    page.fill("#txt2img_prompt textarea", MADE)
    page.fill("#txt2img_seed input", "41")
    for name, number in (("width", 192), ("height", 192), ("steps", 2), ("batch_size", count)):
        set_number(page, f"txt2img_{name}", number)
    page.click("#txt2img_generate")
    page.wait_for_selector("#txt2img_gallery .thumbnail-small")
    page.wait_for_function("document.querySelector('#html_info_txt2img').innerText.includes('Seed: ')")
    page.fill("#txt2img_prompt textarea", "something else, typed since")


def saved_in(webui: Webui) -> set[Path]:
    return set(webui.outputs.glob("vxa-images/**/*.png"))


def test_a_generated_image_is_sent_looked_at_saved_and_offers_its_prompt(
    page: Any, webui: Webui, shots: Path
) -> None:
    generate(page, count=2)
    button = page.locator("#txt2img_send_to_vxa")
    assert "VXA" in button.get_attribute("title")
    page.click("#txt2img_gallery .thumbnail-small >> nth=2")  # the grid comes first
    page.screenshot(path=shots / "txt2img.png")
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#vxa_prompt textarea", state="visible")
    wait_for_value(page, "vxa_prompt", MADE)
    wait_for_value(page, "vxa_noise_seed", "42")
    page.wait_for_selector("#vxa_image img")
    page.click("#vxa_press")
    page.wait_for_selector("#vxa_picture img")
    page.click("#vxa_tokens .vxa-chip-word:has-text('hat')")
    page.check("#vxa_mode input[value=contour]")
    page.click("#vxa_take > .label-wrap")
    page.click("#vxa_keep")
    page.wait_for_selector("#vxa_kept [role=status]")
    page.screenshot(path=shots / "saved.png", full_page=True)
    saved = webui.outputs / "vxa-images" / page.inner_text("#vxa_kept code")
    made = read_infotext(saved)
    assert made is not None
    assert (made.prompt, made.settings["Seed"], made.settings["Model"]) == (MADE, "42", "papercut")
    assert (made.settings["VXA words"], made.settings["VXA mode"]) == ("hat", "contour")
    assert "--tokens 6" in value(page, "vxa_command")
    page.reload()
    to_tab(page, "VXA")
    page.wait_for_selector("#vxa_prompt textarea", state="visible")
    page.fill("#vxa_prompt textarea", "my own words")
    give(page, saved)
    page.wait_for_selector("#vxa_use", state="visible")
    page.screenshot(path=shots / "offered.png")
    assert (MADE in page.inner_text("#vxa_offer"), value(page, "vxa_prompt")) == (True, "my own words")
    page.click("#vxa_use")
    wait_for_value(page, "vxa_prompt", MADE)
    wait_for_value(page, "vxa_indices", "6")
    assert page.is_checked("#vxa_mode input[value=contour]")


def test_a_jpeg_of_the_webui_offers_its_prompt(page: Any, webui: Webui) -> None:
    webui.ask("sdapi/v1/options", {"samples_format": "jpg", "save_to_dirs": False})
    try:
        generate(page)
        (made,) = (webui.outputs / "txt2img-images").glob("*.jpg")
    finally:
        webui.ask("sdapi/v1/options", {"samples_format": "png", "save_to_dirs": True})
    to_tab(page, "VXA")
    give(page, made)
    page.wait_for_selector("#vxa_use", state="visible")
    assert MADE in page.inner_text("#vxa_offer")


def test_img2img_sends_its_result(page: Any) -> None:
    to_tab(page, "img2img")
    page.set_input_files("#img2img_image input[type=file]", FIGURE)
    page.wait_for_selector("#img2img_image img")
    page.fill("#img2img_prompt textarea", MADE)
    page.fill("#img2img_seed input", "7")
    for name, number in (("width", 192), ("height", 192), ("steps", 2)):
        set_number(page, f"img2img_{name}", number)
    page.click("#img2img_generate")
    page.wait_for_selector("#img2img_gallery .thumbnail-small")
    page.wait_for_function("document.querySelector('#html_info_img2img').innerText.includes('Seed: ')")
    page.click("#img2img_send_to_vxa")
    wait_for_value(page, "vxa_prompt", MADE)
    wait_for_value(page, "vxa_noise_seed", "7")


def test_extras_sends_the_image_that_it_made(page: Any, shots: Path) -> None:
    to_tab(page, "Extras")
    page.set_input_files("#extras_image input[type=file]", FIGURE)
    page.wait_for_selector("#extras_image img")
    page.click("#extras_generate")
    page.wait_for_selector("#extras_gallery img")
    page.click("#extras_send_to_vxa")
    page.wait_for_selector("#vxa_image img")
    page.screenshot(path=shots / "extras.png")
    page.fill("#vxa_prompt textarea", MADE)
    page.click("#vxa_press")
    page.wait_for_selector("#vxa_picture img")


def test_png_info_sends_what_it_shows_and_nothing_of_an_image_without_parameters(
    page: Any, webui: Webui, shots: Path
) -> None:
    made = sorted((webui.outputs / "txt2img-images").rglob("*.png"))[-1]
    to_tab(page, "PNG Info")
    page.set_input_files("#pnginfo_image input[type=file]", made)
    page.wait_for_selector("#tab_pnginfo p:has-text('Seed: ')")
    page.screenshot(path=shots / "pnginfo.png")
    page.click("#pnginfo_send_to_vxa")
    wait_for_value(page, "vxa_prompt", MADE)
    page.fill("#vxa_prompt textarea", "my own words")
    to_tab(page, "PNG Info")
    page.click("#pnginfo_image button[aria-label='Clear']")
    page.set_input_files("#pnginfo_image input[type=file]", FIGURE)
    page.wait_for_selector("#pnginfo_image img")
    page.wait_for_selector("#tab_pnginfo p:has-text('Seed: ')", state="detached")
    page.click("#pnginfo_send_to_vxa")
    page.wait_for_selector("#vxa_prompt textarea", state="visible")
    page.wait_for_timeout(3000)
    assert value(page, "vxa_prompt") == "my own words"  # and not the webui's last generation


def test_the_settings_are_what_the_tab_begins_with_and_every_pass_is_saved(
    browser: Any, webui: Webui, shots: Path
) -> None:
    page = opened(browser, webui)
    to_tab(page, "Settings")
    page.click("#settings > .tab-nav button:has-text('VXA')")
    page.wait_for_selector("#setting_vxa_keep_all", state="visible")
    page.fill("#setting_vxa_sites textarea, #setting_vxa_sites input", "mid")
    page.fill("#setting_vxa_threshold input[type=number]", "0.6")
    page.check("#setting_vxa_keep_all input")
    for name, wanted in (("mode", "grey"), ("colormap", "viridis"), ("noise", "none")):
        page.click(f"#setting_vxa_{name} input")
        page.click(f"#setting_vxa_{name} li:has-text('{wanted}')")
    page.locator("#setting_vxa_keep_all").scroll_into_view_if_needed()
    page.screenshot(path=shots / "settings.png")
    page.click("#settings_submit")
    page.wait_for_function("document.querySelector('#settings_result').innerText.includes('vxa_keep_all')")
    reload_ui(page, webui)
    before = saved_in(webui)
    open_tab(page)
    assert value(page, "vxa_sites").endswith("mid")
    assert page.is_checked("#vxa_mode input[value=grey]")
    assert page.input_value("#vxa_threshold input[type=number]") == "0.6"
    assert value(page, "vxa_colormap") == "viridis"
    assert page.is_checked("#vxa_noise input[value=none]")
    assert "papercut" in look(page)
    page.wait_for_selector("#vxa_kept [role=status]", state="attached")
    (saved,) = saved_in(webui) - before
    made = read_infotext(saved)
    assert made is not None
    wanted = {"VXA sites": "mid", "VXA mode": "grey", "VXA noise": "none", "VXA colour map": "viridis"}
    assert {name: made.settings.get(name) for name in wanted} == wanted
    page.context.close()
    before = {"vxa_mode": "overlay", "vxa_colormap": "inferno", "vxa_noise": "matched", "vxa_sites": ""}
    webui.ask("sdapi/v1/options", {**before, "vxa_threshold": 0.35, "vxa_keep_all": False})


def test_over_http_a_picture_is_saved_below_the_webuis_folder_alone(webui: Webui, tmp_path: Path) -> None:
    before = saved_in(webui)
    given = {"image": base64.b64encode(FIGURE.read_bytes()).decode(), "prompt": PROMPT, "words": "hat"}
    answer = webui.ask("vxa/v1/visualize", {**given, "save": True})
    (saved,) = saved_in(webui) - before
    assert saved == webui.outputs / "vxa-images" / answer["saved"]
    assert read_infotext(saved) == parse_infotext(answer["infotext"])
    with pytest.raises(urllib.error.HTTPError) as refused:
        webui.ask("vxa/v1/visualize", {**given, "save": str(tmp_path / "x.png")})
    with refused.value as error:
        assert (error.code, "boolean" in json.load(error)["detail"]) == (422, True)
    webui.ask("sdapi/v1/options", {"vxa_folder": str(tmp_path)})  # which the webui ignores
    answer = webui.ask("vxa/v1/visualize", {**given, "save": True})
    assert (webui.outputs / "vxa-images" / answer["saved"]).is_file()
    assert not list(tmp_path.iterdir())


def test_in_japanese(browser: Any, webui: Webui, shots: Path) -> None:
    webui.ask("sdapi/v1/options", {"localization": "ja_JP"})
    page = opened(browser, webui)
    try:
        reload_ui(page, webui)
        to_tab(page, "VXA")
        page.wait_for_selector("#vxa_press:has-text('可視化')")
        page.wait_for_selector("#vxa_mode span:has-text('重ね合わせ')")
        assert "画像の内容" in page.get_attribute("#vxa_prompt textarea", "placeholder")
        page.fill("#vxa_prompt textarea", PROMPT)
        give(page, FIGURE)
        page.click("#vxa_press")
        page.wait_for_selector("#vxa_picture img")
        page.screenshot(path=shots / "japanese.png", full_page=True)
        to_tab(page, "txt2img")
        assert "VXA タブ" in page.get_attribute("#txt2img_send_to_vxa", "title")
    finally:
        page.context.close()
        webui.ask("sdapi/v1/options", {"localization": "None"})


SAVING = """
import base64, json, sys, urllib.request
address, image, user = sys.argv[1:]
body = {"image": base64.b64encode(open(image, "rb").read()).decode(), "prompt": "a hat", "save": True}
while True:
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
    urllib.request.urlopen(request).read()
"""


def test_a_webui_that_is_killed_leaves_no_broken_picture(
    installation: tuple[Path, Path], tmp_path: Path
) -> None:
    data = data_folder(tmp_path / "data")
    chosen = str(models_folder(data) / "papercut.safetensors")
    with started(*installation, data, ["--ckpt", chosen]) as webui:
        command = [sys.executable, "-c", SAVING, f"{webui.address}vxa/v1/visualize", str(FIGURE), Webui.user]
        clients = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(2)]
        give_up = time.monotonic() + PATIENCE
        while len(saved_in(webui)) < 5 and time.monotonic() < give_up:
            time.sleep(0.2)
        os.kill(webui.process, signal.SIGKILL)
        for client in clients:
            client.kill()
            client.wait()
    pictures = saved_in(webui)
    assert len(pictures) >= 5
    for path in pictures:
        with Image.open(path) as picture:
            picture.load()
        assert read_infotext(path) is not None
