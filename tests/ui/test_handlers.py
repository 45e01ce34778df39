from __future__ import annotations

import logging
import re
import shlex
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from replayed import PROMPT, SITES, SIZE, saved_maps  # type: ignore[import-not-found]

from vxa import ImageError, SettingError, read_maps
from vxa.heat_map import REFINED_THRESHOLD
from vxa.render import MODES, render
from vxa.ui import texts
from vxa.ui.asked import Asked
from vxa.ui.backend import site_labels, site_spec
from vxa.ui.downloads import file_stem
from vxa.ui.handlers import Handlers, sentence
from vxa.ui.pages import PageGone, maps_bytes
from vxa.ui.spot import spot_html
from vxa.ui.stopping import Stopped


@pytest.fixture
def page(handlers: Handlers, image_file: Path) -> str:
    handlers.run("mine", str(image_file), PROMPT, 1, "none")
    return "mine"


def same(first: Image.Image, second: Image.Image) -> bool:
    return first.size == second.size and first.tobytes() == second.tobytes()


def test_chips_follow_the_prompt_and_a_blank_one_has_none(handlers: Handlers):
    assert re.findall(r'data-indices="([^"]+)"', handlers.chips(PROMPT, "3")) == [
        "0", "1", "2", "3", "4", "5, 6", "7", "8-76",
    ]  # fmt: skip
    assert "button" not in handlers.chips("  ")


def test_a_pass_keeps_its_maps_for_its_page_alone(handlers: Handlers, page: str):
    assert handlers.picture(page, Asked()).size[0] > 0
    with pytest.raises(PageGone):
        handlers.picture("another", Asked())


def test_a_pass_says_what_it_looked_at_and_which_sites_there_are(handlers: Handlers, image_file: Path):
    looked = handlers.run("mine", str(image_file), PROMPT, 1.0, "none", site="mid 9×9 · M00")
    assert PROMPT in looked.summary
    assert "one pass at timestep 1, noise none" in looked.summary
    assert "2 sites" in looked.summary
    assert looked.sites == site_labels(SITES, "f2", (12, 8))
    assert looked.site == "mid 6×4 · M00"


def test_sites_have_names_for_people_that_lead_back_to_the_librarys():
    labels = site_labels(SITES, "f2,OUT04", (12, 8))
    assert labels == (
        "the model's choice (f2, OUT04)", "all sites together · all", "the way down · down",
        "the middle · mid", "down 12×8 · IN01", "mid 6×4 · M00",
    )  # fmt: skip
    assert [site_spec(label) for label in labels] == [None, "all", "down", "mid", "IN01", "M00"]
    assert site_spec("mid, IN01") == "mid, IN01"
    assert site_spec("") is None


def test_a_host_whose_model_is_exchanged_offers_its_sites(handlers: Handlers, page: str):
    offered: tuple[str, ...] = ()
    handlers.backend = replace(handlers.backend, current_sites=lambda: offered)
    assert handlers.current_sites("", None) is None  # no model yet
    offered = ("the model's choice (f4)", "all sites together · all", "mid 1/8 · M00")
    assert handlers.current_sites("", "").site == "the model's choice (f4)"
    assert handlers.current_sites("", "mid 6×4 · M00").site == "mid 1/8 · M00"
    assert handlers.current_sites("", "up 6×4 · OUT11").site == "the model's choice (f4)"
    assert handlers.current_sites("", "mid, OUT11").site == "mid, OUT11"  # what a person wrote is theirs
    assert handlers.current_sites(page, None).sites == offered  # the page's maps are of another model
    offered = site_labels(SITES, "f2", None)
    assert handlers.current_sites(page, None).sites == site_labels(SITES, "f2", (12, 8))


@pytest.mark.parametrize("mode", MODES)
def test_every_picture_is_the_librarys_own(handlers: Handlers, page: str, image_file: Path, mode: str):
    asked = Asked("3, 5-6", "all sites together · all", "0", mode, 0.5, 0.3, "viridis", "minmax", "nearest")
    expected = render(
        saved_maps(PROMPT), image_file, mode, tokens="3, 5-6", sites="all", heads="0", opacity=0.5,
        threshold=0.3, colormap="viridis", normalize="minmax", resample="nearest",
    )  # fmt: skip
    assert same(handlers.picture(page, asked), expected)


def test_a_box_whose_next_index_is_being_written_is_read_so_far(handlers: Handlers, page: str):
    assert same(handlers.picture(page, Asked("3, ")), handlers.picture(page, Asked("3")))
    assert not same(handlers.picture(page, Asked("3")), handlers.picture(page, Asked("2")))


REFINED = Asked("3", mode="contour", refine=True, threshold=REFINED_THRESHOLD)


def test_maps_are_refined_where_self_attention_was_recorded(
    handlers: Handlers, page: str, image_file: Path, passes: list[int]
):
    before = handlers.pages.get(page).nbytes
    with pytest.raises(SettingError, match="without self-attention; press Visualize"):
        handlers.picture(page, REFINED)
    with pytest.raises(SettingError, match="without self-attention"):
        handlers.words_at(page, REFINED, 1, 1)
    handlers.run(page, str(image_file), PROMPT, 1, "none", refine=True)
    maps = saved_maps(PROMPT, refine=True)
    expected = render(maps, image_file, "contour", tokens="3", refine=True)
    assert same(handlers.picture(page, REFINED), expected)
    plain = render(maps, image_file, "contour", tokens="3")
    assert same(handlers.picture(page, Asked("3", mode="contour")), plain)
    assert not same(expected, plain)
    assert passes == [1]
    # The self-attention's queries and keys, and its matrix: what is computed of it is kept.
    assert handlers.pages.get(page).nbytes - before == 4 * (2 * 24 * 6 + 24 * 24)
    spot = handlers.words_at(page, REFINED, 10, 20)
    assert spot.where == "refined · M00 · t = 1"
    heat = maps.heat_map(tokens=spot.words[0][0].tokens, refine=True)
    assert spot.words[0][1] == pytest.approx(float(heat.upsampled()[20, 10]))
    assert "each word&#x27;s refined map here" in spot_html(spot)


def test_a_refined_strip_is_of_refined_passes(
    handlers: Handlers, page: str, image_file: Path, passes: list[int]
):
    at_timesteps(handlers, image_file, "1, 300", refine=True)
    assert passes == [1, 300]
    asked = Asked("3", mode="timesteps", refine=True, threshold=REFINED_THRESHOLD)
    wanted = [saved_maps(PROMPT, timestep, refine=True) for timestep in (1, 300)]
    drawn = render(wanted, image_file, "timesteps", tokens="3", refine=True)
    assert same(handlers.picture(page, asked), drawn)
    at_timesteps(handlers, image_file, "1, 300, 7")
    assert passes == [1, 300, 7]
    assert all(maps.self_sites for maps in handlers.pages.get(page).passes)


def test_a_refined_picture_is_taken_away(
    handlers: Handlers, page: str, image_file: Path, monkeypatch: pytest.MonkeyPatch
):
    handlers.run(page, str(image_file), PROMPT, 1, "none", refine=True)
    command, python = handlers.command(page, REFINED)
    assert shlex.split(command)[4:] == [
        "--model", "replayed", "--mode", "contour", "--tokens", "3", "--refine", "-o", "my-cat-contour.png",
    ]  # fmt: skip
    monkeypatch.chdir(image_file.parent)
    monkeypatch.setattr("vxa.load", lambda name: name)
    monkeypatch.setattr(
        "vxa.visualize", lambda model, image, prompt, refine: saved_maps(prompt, refine=refine)
    )
    exec(python, {})
    assert same(Image.open("my-cat-contour.png"), handlers.picture(page, REFINED))
    _, mask, maps, _ = handlers.files(page, REFINED)
    heat = read_maps(maps).heat_map(tokens="3", refine=True)
    assert np.array_equal(np.asarray(Image.open(mask)), heat.mask())


def test_the_words_at_a_spot_are_ranked_by_their_maps_there(handlers: Handlers, page: str):
    spot = handlers.words_at(page, Asked(sites="down 12×8 · IN01", heads="1"), x=10, y=90)
    ranked = spot.words
    assert (spot.x, spot.y, spot.where) == (10, 90, "IN01 · t = 1")
    assert "the probability with which" in spot_html(spot)
    assert sorted(word.text for word, _ in ranked) == ["a", "hat", "neckerchief", "red"]
    values = [value for _, value in ranked]
    assert values == sorted(values, reverse=True)
    for word, value in ranked:
        heat = saved_maps(PROMPT).heat_map(tokens=word.tokens, sites="IN01", heads="1")
        assert value == pytest.approx(float(heat.upsampled()[90, 10]), rel=1e-6)


@pytest.mark.parametrize(("x", "y"), [(SIZE[1], 0), (0, SIZE[0]), (-1, 5)])
def test_a_spot_beside_the_image_is_refused(handlers: Handlers, page: str, x: int, y: int):
    with pytest.raises(SettingError, match="beside the image"):
        handlers.words_at(page, Asked(), x, y)


@pytest.mark.parametrize("mode", ["masked", "grey", "overlay", "contour"])
def test_a_spot_of_the_picture_is_found_in_the_image(handlers: Handlers, page: str, mode: str):
    """One bright pixel of the image is where the picture, at opacity 0 or whole mask, is bright."""
    row, column = 70, 20
    kept = handlers.pages.get(page)
    white = np.zeros((*SIZE, 3), np.uint8)
    white[row - 2 : row + 3, column - 2 : column + 3] = 255
    object.__setattr__(kept, "image", Image.fromarray(white))
    asked = Asked("3", mode=mode, opacity=0.0, threshold=0.0)
    picture = np.asarray(handlers.picture(page, asked).convert("L"), np.float32)
    if mode in ("masked", "grey"):
        spot = (row, column)
    else:
        height, width = picture.shape
        inner = picture[height // 4 : -40, 40 : width // 2]  # no caption, no margin, no bar
        down, across = np.argwhere(inner > inner.max() * 0.9).mean(axis=0)
        spot = (round(down + height // 4), round(across + 40))
    handlers.picture_file(page, asked)
    found = handlers.words_in_picture(page, asked, spot[1], spot[0])
    assert abs(found.x - column) <= 1
    assert abs(found.y - row) <= 1


@pytest.mark.parametrize(
    ("mode", "wheres"),
    [
        ("words", ["M00 · t = 1"] * 4),
        ("sites", ["IN01 · t = 1", "M00 · t = 1"]),
        ("matrix", ["IN01 · t = 1", "M00 · t = 1"] * 4),
        ("difference", ["M00 · t = 1"] * 3),
        ("timesteps", ["M00 · t = 1", "M00 · t = 300"]),
    ],
)
def test_every_cell_of_a_figure_knows_its_spot(
    handlers: Handlers, page: str, image_file: Path, mode: str, wheres: list[str]
):
    """A white image but for one black pixel, which is what each cell is darkest at."""
    handlers.run_timesteps(page, str(image_file), PROMPT, 1, "none", "1, 300")
    kept = handlers.pages.get(page)
    row, column = 60, 20
    pixels = np.full((*SIZE, 3), 255, np.uint8)
    pixels[row - 3 : row + 4, column - 3 : column + 4] = 0
    object.__setattr__(kept, "image", Image.fromarray(pixels))
    asked = Asked(mode=mode, opacity=0.0)
    picture = np.asarray(Image.open(handlers.picture_file(page, asked)).convert("L"), int)
    shown = handlers.pictures.windows(page)
    assert len(shown) == len(wheres)
    for window, where in zip(shown, wheres, strict=True):
        cell = picture[window.top : window.top + window.height, window.left : window.left + window.width]
        down, across = np.argwhere(cell < 60).mean(axis=0)
        at = (round(window.left + across), round(window.top + down))
        found = handlers.words_in_picture(page, asked, *at)
        assert (abs(found.x - column) <= 2, abs(found.y - row) <= 2, found.where) == (True, True, where)


def test_in_a_cell_of_a_site_the_words_are_ranked_there(handlers: Handlers, page: str):
    handlers.picture_file(page, Asked("3", mode="matrix"))
    window = handlers.pictures.windows(page)[0]
    found = handlers.words_in_picture(page, Asked("3", mode="matrix"), window.left + 5, window.top + 5)
    assert found == handlers.words_at(page, Asked(sites="IN01"), found.x, found.y)


@pytest.mark.parametrize("mode", ["words", "sites", "matrix", "overlay"])
def test_a_click_beside_the_image_in_the_picture_is_refused(handlers: Handlers, page: str, mode: str):
    handlers.picture_file(page, Asked(mode=mode))
    with pytest.raises(SettingError, match="beside the image"):
        handlers.words_in_picture(page, Asked(mode=mode), 2, 2)


def test_the_command_and_the_python_lines_make_the_same_picture(
    handlers: Handlers, page: str, image_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked = Asked("3, 5-6", "mid 6×4 · M00", "1", "contour", threshold=0.25)
    command, python = handlers.command(page, asked)
    assert shlex.split(command) == [
        "vxa", "show", "my cat.png", PROMPT, "--model", "replayed", "--mode", "contour", "--tokens", "3, 5-6",
        "--sites", "M00", "--heads", "1", "--threshold", "0.25", "-o", "my-cat-contour.png",
    ]  # fmt: skip
    monkeypatch.chdir(image_file.parent)
    monkeypatch.setattr("vxa.load", lambda name: name)
    monkeypatch.setattr("vxa.visualize", lambda model, image, prompt: saved_maps(prompt))
    exec(python, {})
    assert same(Image.open("my-cat-contour.png"), handlers.picture(page, asked))


def test_the_command_says_what_is_not_the_default_alone(handlers: Handlers, page: str, image_file: Path):
    handlers.run("mine", str(image_file), "-x", 999, "matched")
    command, _ = handlers.command(page, Asked())
    assert shlex.split(command) == [
        "vxa", "show", "--model", "replayed", "--timestep", "999", "--noise", "matched", "--mode", "overlay",
        "-o", "my-cat-overlay.png", "--", "my cat.png", "-x",
    ]  # fmt: skip


def test_the_files_are_the_picture_the_mask_and_the_maps(handlers: Handlers, page: str):
    asked = Asked("3", "all sites together · all", mode="grey", threshold=0.6)
    picture, mask, maps, sidecar = map(Path, handlers.files(page, asked))
    assert [path.name for path in (picture, mask, maps, sidecar)] == [
        "my-cat-grey.png", "my-cat-mask.png", "my-cat.npz", "my-cat.json",
    ]  # fmt: skip
    assert same(Image.open(picture), handlers.picture(page, asked))
    read = read_maps(maps)
    expected = read.heat_map(tokens="3", sites="all").mask(threshold=0.6)
    assert np.array_equal(np.asarray(Image.open(mask)), expected)
    assert 0 < expected.sum() < expected.size


def test_the_files_of_old_downloads_go(handlers: Handlers, page: str):
    folders = [Path(handlers.files(page, Asked())[0]).parent for _ in range(10)]
    assert [folder.is_dir() for folder in folders] == [False, False, *[True] * 8]
    assert all(folder.parent == handlers.downloads.folder for folder in folders)


@pytest.mark.parametrize(
    ("name", "stem"), [("my cat.v2.png", "my-cat-v2"), ("../../etc/passwd", "passwd"), ("?.png", "image")]
)
def test_the_name_of_an_upload_becomes_a_harmless_one(name: str, stem: str):
    assert file_stem(name) == stem


def test_stopping_ends_the_work_where_it_tells_its_progress(handlers: Handlers, image_file: Path):
    def progress(fraction: float, what: str) -> None:
        handlers.stop("other")
        handlers.stop("mine")

    backend = handlers.backend

    def run(image, prompt, timestep, noise, seed, told, refine=False):  # type: ignore[no-untyped-def]
        told(0.1, "begun")
        told(0.2, "must not come here")
        raise AssertionError

    object.__setattr__(backend, "run", run)
    with pytest.raises(Stopped):
        handlers.run("mine", str(image_file), PROMPT, 1, "none", progress=progress)
    assert not handlers._stops


def test_what_was_stopped_before_does_not_stop_the_next(handlers: Handlers, image_file: Path):
    handlers.stop("mine")
    assert handlers.run("mine", str(image_file), PROMPT, 1, "none").summary


@pytest.mark.parametrize(
    ("image", "timestep", "message"),
    [(None, 1, texts.NO_IMAGE), ("there", 1.5, "not a whole number"), ("there", None, "not a whole number")],
)
def test_bad_input_is_refused_in_a_sentence(
    handlers: Handlers, image_file: Path, image: str | None, timestep: float | None, message: str
):
    with pytest.raises((ImageError, SettingError), match=re.escape(message)) as caught:
        handlers.run("mine", image and str(image_file), PROMPT, timestep, "none")
    assert message in sentence(caught.value)


def test_what_the_picture_is_no_longer_of_is_told(handlers: Handlers, page: str, image_file: Path):
    same_image = image_file.with_name("copy.png")
    same_image.write_bytes(image_file.read_bytes())
    other_image = image_file.with_name("other.png")
    Image.new("RGB", SIZE[::-1]).save(other_image)

    def told(image: Path | None = image_file, prompt: str = PROMPT, timestep: float = 1, noise: str = "none"):
        return handlers.earlier(page, image and str(image), prompt, timestep, noise)

    assert told() == told(same_image) == told(timestep=1.0) == ""
    assert handlers.earlier("other", None, "anything", 7, "matched") == ""
    assert texts.EARLIER_IMAGE in told(other_image)
    assert texts.EARLIER_IMAGE in told(None)
    assert PROMPT in told(prompt="something else")
    assert "timestep 1" in told(timestep=300)
    assert "noise none" in told(noise="matched")
    assert "timestep 1 and noise none" in told(timestep=300, noise="matched")
    handlers.run(page, str(other_image), "something else", 300, "matched")
    assert told(other_image, "something else", 300, "matched") == ""


def test_two_selections_are_compared(handlers: Handlers, page: str, image_file: Path):
    asked = Asked("3", mode="difference", against="5-6, ")
    expected = render(saved_maps(PROMPT), image_file, "difference", tokens="3", against_tokens="5-6")
    assert same(handlers.picture(page, asked), expected)
    assert not same(handlers.picture(page, Asked("3", mode="difference")), expected)
    assert "against" not in str(Asked("3", against="5").settings())
    command, python = handlers.command(page, asked)
    assert "--mode difference --tokens 3 --against-tokens 5-6" in command
    assert "'difference', tokens='3', against_tokens='5-6')" in python


def test_the_chips_of_the_second_selection_fill_its_own_box(handlers: Handlers):
    first, second = handlers.chips(PROMPT, "3"), handlers.chips(PROMPT, "2", against=True)
    assert 'data-box="vxa_indices"' in first
    assert 'data-box="vxa_against"' in second
    assert re.findall(r'pressed="true" data-indices="([^"]+)"', first + second) == ["3", "2"]


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


def at_timesteps(handlers: Handlers, image: Path, timesteps: str, prompt: str = PROMPT, **settings: Any):
    return handlers.run_timesteps("mine", str(image), prompt, 1, "none", timesteps, **settings)


def test_a_strip_is_one_pass_a_timestep_and_the_librarys_picture(
    handlers: Handlers, page: str, passes: list[int], image_file: Path
):
    told: list[tuple[float, str]] = []
    looked = at_timesteps(
        handlers, image_file, "300, 1, 7", progress=lambda fraction, what: told.append((fraction, what))
    )
    assert passes == [300, 7]
    assert told == [(0.25, "replaying, 1 of 2"), (0.75, "replaying, 2 of 2")]
    assert "3 passes at timesteps 300, 1, 7, noise none" in looked.summary
    for place in ({}, {"sites": "IN01", "heads": "1"}):
        asked = Asked("3", mode="timesteps", **place)
        wanted = render(
            [saved_maps(PROMPT, t) for t in (300, 1, 7)], image_file, tokens="3", mode="timesteps", **place
        )
        assert same(handlers.picture(page, asked), wanted)
    at_timesteps(handlers, image_file, "7, 8")
    assert passes == [300, 7, 8]
    assert [maps.provenance.timestep for maps in handlers.pages.get(page).passes] == [7, 8]


def test_a_strip_without_a_pass_or_of_something_else_begins_anew(
    handlers: Handlers, passes: list[int], image_file: Path
):
    at_timesteps(handlers, image_file, "5, 6")
    assert passes == [1, 5, 6]
    at_timesteps(handlers, image_file, "5, 6", "other words")
    assert passes == [1, 5, 6] * 2
    assert handlers.pages.get("mine").wanted.prompt == "other words"


def test_a_stopped_strip_keeps_what_is_made(
    handlers: Handlers, page: str, passes: list[int], image_file: Path
):
    def progress(fraction: float, what: str) -> None:
        if "2 of 3" in what:
            handlers.stop(page)

    run = handlers.backend.run

    def twice(image, prompt, timestep, noise, seed, told, refine=False):  # type: ignore[no-untyped-def]
        told(0.1, "begun")
        return run(image, prompt, timestep, noise, seed, told, refine=refine)

    object.__setattr__(handlers.backend, "run", twice)
    with pytest.raises(Stopped):
        at_timesteps(handlers, image_file, "5, 6, 7", progress=progress)
    kept = handlers.pages.get(page)
    assert [maps.provenance.timestep for maps in kept.passes] == [5]
    at_timesteps(handlers, image_file, "5, 6, 7")
    assert [maps.provenance.timestep for maps in handlers.pages.get(page).passes] == [5, 6, 7]


def test_a_strip_does_not_replace_a_pass_made_meanwhile(handlers: Handlers, page: str, image_file: Path):
    run = handlers.backend.run

    def interrupted(image, prompt, timestep, noise, seed, told, refine=False):  # type: ignore[no-untyped-def]
        object.__setattr__(handlers.backend, "run", run)
        handlers.run(page, str(image_file), "newer", 1, "none")
        return run(image, prompt, timestep, noise, seed, told, refine=refine)

    object.__setattr__(handlers.backend, "run", interrupted)
    with pytest.raises(Stopped, match="another pass"):
        at_timesteps(handlers, image_file, "5")
    assert handlers.pages.get(page).wanted.prompt == "newer"


def test_more_timesteps_than_the_server_keeps_are_refused(handlers: Handlers, page: str, image_file: Path):
    handlers.pages.most_bytes = 3 * maps_bytes(handlers.pages.get(page).maps)
    at_timesteps(handlers, image_file, "1, 2, 3")
    with pytest.raises(SettingError, match=r"maps of 4 timesteps take .* give fewer"):
        at_timesteps(handlers, image_file, "1, 2, 3, 4")
    with pytest.raises(SettingError, match="'x'"):
        at_timesteps(handlers, image_file, "1, x")


def test_a_strip_is_taken_away_whole(handlers: Handlers, page: str, image_file: Path, monkeypatch: Any):
    at_timesteps(handlers, image_file, "1, 300")
    asked = Asked("3", mode="timesteps", normalize="absolute", resample="nearest")
    command, python = handlers.command(page, asked)
    assert shlex.split(command)[4:] == [
        "--model", "replayed", "--timesteps", "1, 300", "--mode", "timesteps", "--tokens", "3",
        "--normalize", "absolute", "--resample", "nearest", "-o", "my-cat-timesteps.png",
    ]  # fmt: skip
    monkeypatch.chdir(image_file.parent)
    monkeypatch.setattr("vxa.load", lambda name: name)
    monkeypatch.setattr("vxa.visualize", lambda model, image, prompt, timestep: saved_maps(prompt, timestep))
    exec(python, {})
    assert same(Image.open("my-cat-timesteps.png"), handlers.picture(page, asked))
    names = [Path(path).name for path in handlers.files(page, asked)]
    assert names == [
        "my-cat-timesteps.png", "my-cat-mask.png", "my-cat-t1.npz", "my-cat-t1.json", "my-cat-t300.npz",
        "my-cat-t300.json",
    ]  # fmt: skip


def test_a_defect_is_one_sentence_on_the_page_and_a_traceback_in_the_log(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.ERROR, "vxa.ui"):
        assert sentence(KeyError("secret")) == texts.DEFECT
    assert "secret" in caplog.text
    caplog.clear()
    assert sentence(SettingError("two\nlines")) == "two lines"
    assert not caplog.records


def test_pages_at_once_get_their_own(handlers: Handlers, image_file: Path):
    prompts = [f"hat{number} neck" for number in range(6)]
    threads = [
        threading.Thread(target=handlers.run, args=(prompt, str(image_file), prompt, 1, "none"))
        for prompt in prompts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [handlers.pages.get(prompt).maps.provenance.prompt for prompt in prompts] == prompts
