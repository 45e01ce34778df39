"""The one panel under every gradio that shows it, driven in Chromium over the same saved maps of papercut.

Each gradio runs in a process of its own (serve.py); the older ones, which no environment can share with
today's diffusers, in environments of their own (environments.py). Skipped, with the reason, where such an
environment cannot be made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from support import SUPPORT
from support.accessibility import STATES, findings
from support.browser import (
    MARKS,
    box,
    chip,
    drop,
    look,
    opened,
    pressed,
    wait_until_shown,
)
from support.environments import GRADIOS, CannotMake, borrowed, python_of

from vxa import AttentionMaps, load, read_maps, visualize, write_maps
from vxa.io.images import save_image
from vxa.papercut.scene import scene
from vxa.pictures.render import render
from vxa.ui.assets import asset

pytestmark = MARKS
FIGURE_PROMPT = "a boy wearing a red hat and his white cat"
EDITED_PROMPT = "a tall boy wearing a blue scarf and his white cat"
# The page of a webui, not ours, asks for these.
HOSTS = ("https://cdnjs.cloudflare.com/", "https://fonts.googleapis.com/")


# As the tests' own process has: sums in another number of threads differ in the last bit, a pixel by a level.
_ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Saved:
    """An image, and what papercut saw in it."""

    path: Path
    maps: AttentionMaps

    def picture(self, mode: str, **asked: Any) -> Image.Image:
        return render(self.maps, self.path, mode, **asked)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Saved, Saved]:
    """The README's figure, and a scene; images and maps are files beside each other."""
    folder = tmp_path_factory.mktemp("saved")
    model, shown = load("papercut"), scene(7)
    shutil.copy(asset("examples/figure.png"), folder)
    save_image(shown.image, folder / "scene.png")
    for path, prompt in ((folder / "figure.png", FIGURE_PROMPT), (folder / "scene.png", shown.caption)):
        write_maps(visualize(model, path, prompt, self_attention=True), path.with_suffix(".npz"))
    # An image beside its maps would be an example.
    write_maps(visualize(model, folder / "figure.png", EDITED_PROMPT), folder / "edited.npz")
    figure, other = (
        Saved(path, read_maps(path.with_suffix(".npz"))) for path in sorted(folder.glob("*.png"))
    )
    return figure, other


@pytest.fixture(scope="module", params=GRADIOS, ids=lambda version: f"gradio-{version}")
def address(
    request: pytest.FixtureRequest, saved: tuple[Saved, Saved], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The panel, served by this gradio; the server goes when its standard input ends."""
    try:
        python = python_of(request.param)
    except CannotMake as reason:
        pytest.skip(f"no environment with gradio {request.param}: {reason}")
    folder = tmp_path_factory.mktemp("server")
    command = [python, str(SUPPORT / "serve.py"), str(saved[0].path.parent)]
    with (
        (folder / "log.txt").open("w+") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            env={**os.environ, **_ONE_THREAD, "PYTHONPATH": str(borrowed(folder)), "PYTHONNOUSERSITE": "1"},
        ) as server,
    ):  # fmt: skip
        assert server.stdin is not None
        assert server.stdout is not None
        lines = iter(server.stdout.readline, "")
        address = next((line.strip() for line in lines if line.startswith("http")), None)
        assert address, (folder / "log.txt").read_text()
        yield address
        server.stdin.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    with opened(browser, address, hosts=HOSTS) as page:
        yield page


def test_the_same_picture_for_words_modes_and_sites(page: Any, saved: tuple[Saved, Saved]):
    figure, _ = saved
    look(page)
    wait_until_shown(page, figure.picture("overlay"))
    chip(page, "hat").click()
    assert (box(page).input_value(), pressed(page)) == ("6", ["6"])
    wait_until_shown(page, figure.picture("overlay", tokens="6"))
    page.check("#vxa_mode input[value=masked]")
    wait_until_shown(page, figure.picture("masked", tokens="6"))
    page.click("#vxa_sites input")
    page.click("#vxa_sites li:has-text('· OUT04')")
    wait_until_shown(page, figure.picture("masked", tokens="6", sites="OUT04"))


def test_a_dropped_file_and_a_typed_prompt(page: Any, saved: tuple[Saved, Saved], tmp_path: Path):
    _, other = saved
    prompt = other.maps.provenance.prompt
    drop(page, Path(shutil.copy(other.path, tmp_path / "dropped.png")))
    page.fill("#vxa_prompt textarea", prompt)
    chip(page, "balloon").wait_for()
    look(page)
    wait_until_shown(page, other.picture("overlay"))
    page.locator("#vxa_image img").click()
    page.wait_for_selector(".vxa-ranking li")
    ranked = page.locator(".vxa-ranking .vxa-chip").all_inner_texts()
    assert sorted(ranked) == sorted(prompt.replace(",", "").split())
    page.locator(".vxa-ranking .vxa-chip", has_text="car").click()
    wait_until_shown(page, other.picture("overlay", tokens=box(page).input_value()))


def test_selections_follow_their_words_through_an_edit(page: Any, saved: tuple[Saved, Saved]):
    figure, _ = saved
    edited = Saved(figure.path, read_maps(figure.path.with_name("edited.npz")))
    chip(page, "cat").click()
    chip(page, "hat").click()
    assert pressed(page) == ["6", "10"]
    page.fill("#vxa_prompt textarea", EDITED_PROMPT)
    note = page.locator("#vxa_noted [role=status]")
    note.wait_for()
    assert note.inner_text() == "'hat' is no longer in the prompt; it was deselected"
    assert (box(page).input_value(), pressed(page)) == ("12", ["12"])  # papercut has "tall" in two pieces
    look(page)
    wait_until_shown(page, edited.picture("overlay", tokens="12"))
    page.focus("#vxa_prompt textarea")
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(FIGURE_PROMPT)
    note.wait_for(state="detached")
    assert pressed(page) == ["6", "10"]
    page.keyboard.press("Shift+Enter")
    wait_until_shown(page, figure.picture("overlay", tokens="10, 6"))


def test_an_image_offers_the_prompt_that_is_written_in_it(
    page: Any, saved: tuple[Saved, Saved], tmp_path: Path
):
    _, other = saved
    prompt, told = other.maps.provenance.prompt, PngInfo()
    told.add_itxt("parameters", f"{prompt}\nSteps: 4, Sampler: Euler a, Seed: 41, Size: 256x256")
    with Image.open(other.path) as image:
        image.save(tmp_path / "made.png", pnginfo=told)
    drop(page, tmp_path / "made.png")
    page.wait_for_selector("#vxa_use", state="visible")
    assert prompt in page.inner_text("#vxa_offer")
    assert page.input_value("#vxa_prompt textarea") == FIGURE_PROMPT
    page.focus("#vxa_use")
    page.keyboard.press("Enter")
    chip(page, "balloon").wait_for()
    assert page.input_value("#vxa_prompt textarea") == prompt
    page.wait_for_selector("#vxa_use", state="hidden")
    page.click("#vxa_settings .label-wrap")
    assert page.input_value("#vxa_noise_seed input") == "41"


def test_what_is_downloaded_reads_back(page: Any, saved: tuple[Saved, Saved], tmp_path: Path):
    figure, _ = saved
    look(page)
    page.click("#vxa_take .label-wrap")
    page.click("#vxa_save")
    page.wait_for_selector("#vxa_files a[href]")
    for link in page.locator("#vxa_files a[href]").all():
        address = link.get_attribute("href")
        name = urllib.parse.unquote(address.rpartition("/")[2])
        (tmp_path / name).write_bytes(page.request.get(address).body())
    (maps,) = tmp_path.glob("*.npz")
    assert read_maps(maps).provenance == figure.maps.provenance
    (picture,) = tmp_path.glob("*-overlay.png")
    again = save_image(figure.picture("overlay"), tmp_path / "again.png")
    assert picture.read_bytes() == again.read_bytes()


def test_the_last_place_of_a_moved_control_counts(page: Any, saved: tuple[Saved, Saved]):
    look(page)
    slider = page.locator("#vxa_opacity input[type=range]")
    slider.focus()
    for _ in range(8):
        page.keyboard.press("ArrowLeft")
    opacity = float(slider.input_value())
    assert opacity == pytest.approx(0.4)
    wait_until_shown(page, saved[0].picture("overlay", opacity=opacity))


def test_an_answer_that_is_late_on_its_way_is_asked_again(page: Any, saved: tuple[Saved, Saved]):
    """Drawn before the next was asked for, it is there after it: no server can tell."""
    late: list[tuple[Any, Any]] = []

    def hold(route: Any) -> None:
        answer = route.fetch()
        if late or "-overlay.png" not in answer.text():  # the picture's command names its file
            return route.fulfill(response=answer)
        late.append((route, answer))

    look(page)
    page.route("**/run/predict*", hold)
    chip(page, "hat").click()
    while not late:
        page.wait_for_timeout(100)
    page.check("#vxa_mode input[value=contour]")
    wait_until_shown(page, saved[0].picture("contour", tokens="6"))
    held, answer = late[0]
    held.fulfill(response=answer)
    page.wait_for_timeout(2000)
    wait_until_shown(page, saved[0].picture("contour", tokens="6"))


def test_refining_moves_the_usual_threshold_and_back(page: Any, saved: tuple[Saved, Saved]):
    figure, _ = saved
    page.check("#vxa_refine input")
    page.check("#vxa_mode input[value=contour]")
    look(page)
    chip(page, "hat").click()
    wait_until_shown(page, figure.picture("contour", tokens="6", refine=True))
    page.click("#vxa_take .label-wrap")
    command = page.locator("#vxa_command textarea, #vxa_command input").input_value()
    assert "--refine" in command
    assert "--threshold" not in command
    page.uncheck("#vxa_refine input")
    wait_until_shown(page, figure.picture("contour", tokens="6"))


def test_a_chip_that_is_pointed_at_shows_its_word(page: Any, saved: tuple[Saved, Saved]):
    look(page)
    wait_until_shown(page, saved[0].picture("overlay"))
    for word in ("hat", "cat"):
        chip(page, word).hover()
        page.wait_for_selector("#vxa_picture .vxa-peek")
        over, under = (
            page.locator(one).bounding_box() for one in ("#vxa_picture .vxa-peek", "#vxa_picture img")
        )
        assert over == pytest.approx(under, abs=1)
        page.mouse.move(2, 2)
        page.wait_for_selector("#vxa_picture .vxa-peek", state="detached")
    assert (box(page).input_value(), pressed(page)) == ("", [])
    wait_until_shown(page, saved[0].picture("overlay"))


def test_a_mistake_is_one_sentence(page: Any):
    page.fill("#vxa_prompt textarea", "a prompt that nobody saved")
    page.click("#vxa_press")
    page.wait_for_selector("#vxa_message [role=alert]:has-text('no saved maps')")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_panel(browser: Any, address: str, theme: str):
    """Below the panel alone: what is around it is the host's."""
    found: dict[str, list[str]] = {}
    for state in STATES:
        with opened(browser, address, hosts=HOSTS, color_scheme=theme) as page:
            assert page.evaluate("document.body.classList.contains('dark')") == (theme == "dark")
            state(page)
            page.wait_for_timeout(500)
            found[state.__name__] = findings(page, (".vxa-header", ".vxa-columns"))
    assert not any(found.values()), found


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(page: Any, width: int):
    page.set_viewport_size({"width": width, "height": 800})
    look(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
