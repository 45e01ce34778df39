"""The tab in a real webui: `pytest -m webui tests/webui --webui PATH`; skipped without it.

Tests that need no page use VXA's own HTTP API; the others drive the page in Chromium.
"""

from __future__ import annotations

import base64
import urllib.error
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.running import (
    CLOSE,
    FIGURE,
    PROMPT,
    Webui,
    assert_the_same,
    look,
    open_tab,
    press,
    refusal,
    values,
)

import vxa


def said(page: Any) -> str:
    return str(page.wait_for_selector("#vxa_message [role=alert]").inner_text())


def maps_of(page: Any, folder: Path) -> vxa.AttentionMaps:
    """The maps that "Make the files" offers, read back."""
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


# Over HTTP


def test_the_map_is_that_of_the_standalone_model(papercut: Webui, standalone: vxa.AttentionMaps) -> None:
    assert_the_same(papercut.look(FIGURE, PROMPT), standalone)


def test_a_refined_map_is_that_of_the_standalone_model(papercut: Webui) -> None:
    found = papercut.look(FIGURE, PROMPT, refine=True)
    wanted = vxa.visualize(vxa.load("papercut"), FIGURE, PROMPT, self_attention=True)
    assert [site.label for site in found.self_sites] == [site.label for site in wanted.self_sites] != []
    one, other = (maps.heat_map("hat", sites="all", refine=True).values for maps in (found, wanted))
    np.testing.assert_allclose(one, other, **CLOSE)


@pytest.mark.parametrize("name", ["sdp-no-mem", "sdp", "sub-quadratic", "V1", "Doggettx", "None", "InvokeAI"])
def test_every_optimisation_gives_the_same_map(
    papercut: Webui, standalone: vxa.AttentionMaps, name: str
) -> None:
    papercut.ask("sdapi/v1/options", {"cross_attention_optimization": name})
    assert_the_same(papercut.look(FIGURE, PROMPT), standalone)


def test_it_follows_the_checkpoint(papercut: Webui) -> None:
    papercut.choose("blind.safetensors")
    maps = papercut.look(FIGURE, PROMPT)
    assert maps.provenance.model == "blind"
    for label, one in values(maps).items():
        np.testing.assert_allclose(one, 1 / 77, err_msg=label, atol=1e-6)


def test_it_follows_the_vae(papercut: Webui) -> None:
    """An image is encoded again by another VAE, although the webui loads it into the same object."""
    own = papercut.look(FIGURE, PROMPT)
    with papercut.options(sd_vae="ink.safetensors"):
        other = papercut.look(FIGURE, PROMPT)
        assert_the_same(papercut.look(FIGURE, PROMPT), other)
    apart = [float(np.abs(one - values(other)[label]).max()) for label, one in values(own).items()]
    assert max(apart) > 0.01
    assert_the_same(papercut.look(FIGURE, PROMPT), own)


def test_beside_a_generation_both_are_as_when_alone(papercut: Webui, standalone: vxa.AttentionMaps) -> None:
    alone = papercut.txt2img(steps=10)
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(papercut.txt2img, steps=10)
        assert_the_same(papercut.look(FIGURE, PROMPT), standalone)
        assert beside.result().tobytes() == alone.tobytes()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"prompt": "a hat AND a cat"}, "AND"),
        ({"prompt": "a [cat:dog:0.5]"}, "changes during a generation, from 'a cat' to 'a dog'"),
        ({"prompt": "  "}, "no words"),
        ({"tokens": "99"}, "out of range"),
        ({"tokens": "hat"}, "not an index"),
        ({"image": ""}, "empty"),
        ({"image": "http://127.0.0.1/"}, "never fetched"),
    ],
)
def test_what_cannot_be_answered_is_one_sentence(papercut: Webui, asked: dict[str, str], said: str) -> None:
    given = {"image": base64.b64encode(FIGURE.read_bytes()).decode(), "prompt": PROMPT, **asked}
    code, detail = refusal(lambda: papercut.ask("vxa/v1/visualize", given))
    assert (code, said in detail) == (422, True)


@pytest.mark.parametrize("size", [(320, 200), (250, 250), (33, 500)])
def test_an_image_of_any_size(papercut: Webui, tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "image.png"
    Image.open(FIGURE).convert("RGB").resize(size).save(path)
    maps = papercut.look(path, PROMPT)
    assert maps.heat_map("hat").upsampled().shape == (size[1], size[0])


def test_emphasis_and_breaks_are_the_webuis(papercut: Webui) -> None:
    maps = papercut.look(FIGURE, "a (red:1.5) hat BREAK a cat <lora:absent:1>")
    assert [(word.text, word.tokens) for word in maps.words] == [
        ("a", (1,)), ("red", (2,)), ("hat", (3,)), ("a", (78,)), ("cat", (79,)),
    ]  # fmt: skip
    assert (maps.tokens[2].weight, len(maps.tokens)) == (1.5, 2 * 77)


@pytest.mark.parametrize("user", [None, "tester:wrong", "nobody:secret"])
def test_nobody_else_is_answered(webui: Webui, user: str | None) -> None:
    for path, body in [("sites", None), ("tokens", {"prompt": "a hat"}), ("visualize", {})]:
        with pytest.raises(urllib.error.HTTPError) as refused:
            webui.ask(f"vxa/v1/{path}", body, user=user)
        refused.value.close()
        assert refused.value.code == 401


# In Chromium


def test_the_tab_as_a_person_uses_it(
    tab: Any, webui: Webui, standalone: vxa.AttentionMaps, tmp_path: Path
) -> None:
    tab.screenshot(path=tmp_path / "empty.png")
    assert "papercut" in look(tab)
    tab.wait_for_selector("#vxa_picture img")
    before = tab.get_attribute("#vxa_picture img", "src")
    tab.click("#vxa_tokens .vxa-chip-word:has-text('hat')")
    assert tab.input_value("#vxa_indices textarea, #vxa_indices input") == "6"
    tab.wait_for_function("src => document.querySelector('#vxa_picture img').src !== src", arg=before)
    tab.screenshot(path=tmp_path / "light.png", full_page=True)
    tab.evaluate("document.body.classList.add('dark')")
    tab.screenshot(path=tmp_path / "dark.png", full_page=True)
    assert_the_same(maps_of(tab, tmp_path), standalone)
    webui.choose("blind.safetensors")
    assert "blind" in press(tab)


def test_it_is_there_again_after_reload_ui(tab: Any) -> None:
    with tab.expect_navigation(wait_until="domcontentloaded"):
        tab.click("#footer a:has-text('Reload UI')")
    open_tab(tab)
    assert "papercut" in look(tab)


def test_a_mistake_is_one_sentence_in_the_page(tab: Any) -> None:
    tab.fill("#vxa_prompt textarea", "a hat AND a cat")
    assert "AND" in said(tab)
