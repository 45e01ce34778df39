from __future__ import annotations

import logging
import re
import shlex
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.replayed import PASS, PROMPT, SITES, SIZE, same_pixels, saved_maps
from typer.testing import CliRunner

from vxa import ImageError, SettingError, read_maps
from vxa.cli.main import app
from vxa.maps.heat_map import DEFAULT_THRESHOLD, EDGES_THRESHOLD, REFINED_THRESHOLD
from vxa.pictures.modes import MODES
from vxa.pictures.render import render
from vxa.ui import strings
from vxa.ui.asked import Asked
from vxa.ui.backend import site_labels, site_spec
from vxa.ui.downloads import file_stem
from vxa.ui.handlers import Handlers, sentence
from vxa.ui.pages import PageGone
from vxa.ui.passes import looked
from vxa.ui.spot import spot_html
from vxa.ui.stopping import Stopped


def test_chips_follow_the_prompt_and_a_blank_one_has_none(handlers: Handlers):
    assert re.findall(r'data-indices="([^"]+)"', handlers.chips(PROMPT, "3")) == [
        "0", "1", "2", "3", "4", "5, 6", "7", "8-76",
    ]  # fmt: skip
    assert "button" not in handlers.chips("  ")


def test_a_pass_keeps_its_maps_for_its_page_alone(handlers: Handlers, page_id: str):
    assert handlers.picture(page_id, Asked()).size[0] > 0
    with pytest.raises(PageGone):
        handlers.picture("another", Asked())


def test_a_pass_says_what_it_looked_at_and_which_sites_there_are(handlers: Handlers, image_file: Path):
    looked = handlers.run("mine", str(image_file), PROMPT, *PASS, site="mid 9×9 · M00")
    assert PROMPT in looked.summary
    assert "one pass at timestep 50, noise matched" in looked.summary
    assert "2 sites" in looked.summary
    assert looked.sites == site_labels(SITES, "f2", (12, 8))
    assert looked.site == "mid 6×4 · M00"


def test_sites_have_names_for_people_that_lead_back_to_the_librarys():
    labels = site_labels(SITES, "f2,OUT04", (12, 8))
    assert labels == (
        "default sites (f2, OUT04)", "all sites together · all", "down blocks · down",
        "middle block · mid", "down 12×8 · IN01", "mid 6×4 · M00",
    )  # fmt: skip
    assert [site_spec(label) for label in labels] == [None, "all", "down", "mid", "IN01", "M00"]
    assert site_spec("mid, IN01") == "mid, IN01"
    assert site_spec("") is None


def test_a_host_whose_model_is_exchanged_offers_its_sites(handlers: Handlers, page_id: str):
    offered: tuple[str, ...] = ()
    handlers.backend = replace(handlers.backend, current_sites=lambda: offered)
    assert handlers.current_sites("", None) is None  # no model yet
    offered = ("default sites (f4)", "all sites together · all", "mid 1/8 · M00")
    assert handlers.current_sites("", "").site == "default sites (f4)"
    assert handlers.current_sites("", "mid 6×4 · M00").site == "mid 1/8 · M00"
    assert handlers.current_sites("", "up 6×4 · OUT11").site == "default sites (f4)"
    assert handlers.current_sites("", "mid, OUT11").site == "mid, OUT11"  # what a person wrote is theirs
    assert handlers.current_sites(page_id, None).sites == offered  # the page's maps are of another model
    offered = site_labels(SITES, "f2", None)
    assert handlers.current_sites(page_id, None).sites == site_labels(SITES, "f2", (12, 8))


@pytest.mark.parametrize("mode", MODES)
def test_every_picture_is_the_librarys_own(handlers: Handlers, page_id: str, image_file: Path, mode: str):
    asked = Asked("3, 5-6", "all sites together · all", "0", mode, 0.5, 0.3, "viridis", "minmax", "nearest")
    expected = render(
        saved_maps(PROMPT), image_file, mode, tokens="3, 5-6", sites="all", heads="0", opacity=0.5,
        threshold=0.3, colormap="viridis", normalize="minmax", resample="nearest",
    )  # fmt: skip
    assert same_pixels(handlers.picture(page_id, asked), expected)


def test_a_box_whose_next_index_is_being_written_is_read_so_far(handlers: Handlers, page_id: str):
    assert same_pixels(handlers.picture(page_id, Asked("3, ")), handlers.picture(page_id, Asked("3")))
    assert not same_pixels(handlers.picture(page_id, Asked("3")), handlers.picture(page_id, Asked("2")))


REFINED = Asked("3", mode="contour", refine=True, threshold=REFINED_THRESHOLD)


def test_maps_are_refined_where_self_attention_was_recorded(
    handlers: Handlers, page_id: str, image_file: Path, passes: list[int]
):
    before = handlers.pages.get(page_id).nbytes
    with pytest.raises(SettingError, match="without self-attention; press Visualize"):
        handlers.picture(page_id, REFINED)
    with pytest.raises(SettingError, match="without self-attention"):
        handlers.words_at(page_id, REFINED, 1, 1)
    handlers.run(page_id, str(image_file), PROMPT, *PASS, refine=True)
    maps = saved_maps(PROMPT, refine=True)
    expected = render(maps, image_file, "contour", tokens="3", refine=True)
    assert same_pixels(handlers.picture(page_id, REFINED), expected)
    plain = render(maps, image_file, "contour", tokens="3")
    assert same_pixels(handlers.picture(page_id, Asked("3", mode="contour")), plain)
    assert not same_pixels(expected, plain)
    assert passes == [50]
    # The self-attention's queries and keys, and its matrix: what is computed of it is kept.
    assert handlers.pages.get(page_id).nbytes - before == 4 * (2 * 24 * 6 + 24 * 24)
    spot = handlers.words_at(page_id, REFINED, 10, 20)
    assert spot.where == "refined · M00 · t = 50"
    heat = maps.heat_map(tokens=spot.words[0][0].tokens, refine=True)
    assert spot.words[0][1] == pytest.approx(float(heat.upsampled()[20, 10]))
    assert "each word&#x27;s refined map here" in spot_html(spot)


def test_a_refined_picture_is_taken_away(
    handlers: Handlers, page_id: str, image_file: Path, monkeypatch: pytest.MonkeyPatch
):
    handlers.run(page_id, str(image_file), PROMPT, *PASS, refine=True)
    command, python = handlers.command(page_id, REFINED)
    assert shlex.split(command)[4:] == [
        "--model", "replayed", "--mode", "contour", "--tokens", "3", "--refine", "-o", "my-cat-contour.png",
    ]  # fmt: skip
    monkeypatch.chdir(image_file.parent)
    monkeypatch.setattr("vxa.load", lambda name: name)
    monkeypatch.setattr(
        "vxa.visualize",
        lambda model, image, prompt, self_attention: saved_maps(prompt, refine=self_attention),
    )
    exec(python, {})
    assert same_pixels(Image.open("my-cat-contour.png"), handlers.picture(page_id, REFINED))
    _, mask, maps, _ = handlers.files(page_id, REFINED)
    heat = read_maps(maps).heat_map(tokens="3", refine=True)
    assert np.array_equal(np.asarray(Image.open(mask)), heat.mask())


def test_the_command_and_the_python_lines_make_the_same_picture(
    handlers: Handlers, page_id: str, image_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked = Asked("3, 5-6", "mid 6×4 · M00", "1", "contour", threshold=0.25)
    command, python = handlers.command(page_id, asked)
    assert shlex.split(command) == [
        "vxa", "show", "my cat.png", PROMPT, "--model", "replayed", "--mode", "contour", "--tokens", "3, 5-6",
        "--sites", "M00", "--heads", "1", "--threshold", "0.25", "-o", "my-cat-contour.png",
    ]  # fmt: skip
    monkeypatch.chdir(image_file.parent)
    monkeypatch.setattr("vxa.load", lambda name: name)
    monkeypatch.setattr("vxa.visualize", lambda model, image, prompt: saved_maps(prompt))
    exec(python, {})
    assert same_pixels(Image.open("my-cat-contour.png"), handlers.picture(page_id, asked))


def test_the_command_says_what_is_not_the_default_alone(handlers: Handlers, page_id: str, image_file: Path):
    handlers.run("mine", str(image_file), "-x", 999, "none")
    command, _ = handlers.command(page_id, Asked())
    assert shlex.split(command) == [
        "vxa", "show", "--model", "replayed", "--timestep", "999", "--noise", "none", "--mode", "overlay",
        "-o", "my-cat-overlay.png", "--", "my cat.png", "-x",
    ]  # fmt: skip


def test_the_files_are_the_picture_the_mask_and_the_maps(handlers: Handlers, page_id: str):
    asked = Asked("3", "all sites together · all", mode="grey", threshold=0.6)
    picture, mask, maps, sidecar = map(Path, handlers.files(page_id, asked))
    assert [path.name for path in (picture, mask, maps, sidecar)] == [
        "my-cat-grey.png", "my-cat-mask.png", "my-cat.npz", "my-cat.json",
    ]  # fmt: skip
    assert same_pixels(Image.open(picture), handlers.picture(page_id, asked))
    read = read_maps(maps)
    expected = read.heat_map(tokens="3", sites="all").mask(threshold=0.6)
    assert np.array_equal(np.asarray(Image.open(mask)), expected)
    assert 0 < expected.sum() < expected.size


def test_the_mask_follows_the_edges_and_the_picture_does_not(
    handlers: Handlers, page_id: str, image_file: Path
):
    asked = Asked("3", mode="contour", threshold=0.5, edges=True)
    picture, mask, maps, _ = map(Path, handlers.files(page_id, asked))
    assert mask.name == "my-cat-mask-edges.png"
    heat = read_maps(maps).heat_map(tokens="3")
    expected = heat.mask(threshold=0.5, edges=Image.open(image_file))
    assert np.array_equal(np.asarray(Image.open(mask)), expected)
    assert not np.array_equal(expected, heat.mask(threshold=0.5))
    assert same_pixels(Image.open(picture), handlers.picture(page_id, replace(asked, edges=False)))


@pytest.mark.parametrize("threshold", [DEFAULT_THRESHOLD, EDGES_THRESHOLD])
def test_the_copied_lines_write_the_same_mask(
    handlers: Handlers, page_id: str, image_file: Path, monkeypatch: pytest.MonkeyPatch, threshold: float
):
    asked = Asked("5, 6", "mid 6×4 · M00", "1", "contour", threshold=threshold, edges=True)
    command, python = handlers.command(page_id, asked)
    given = ["show", "my cat.png", "--maps", "my cat.npz", *shlex.split(command)[6:]]
    assert given[-5:] == ["--masks", "my-cat-masks", "--edges", "-o", "my-cat-contour.png"]
    mask, maps = handlers.files(page_id, asked)[1:3]
    wanted = np.asarray(Image.open(mask))
    monkeypatch.chdir(image_file.parent)
    monkeypatch.setattr("vxa.load", lambda name: name)
    monkeypatch.setattr("vxa.visualize", lambda model, image, prompt: saved_maps(prompt))
    exec(python, {})
    written = Path("my-cat-masks/neckerchief.png")
    assert np.array_equal(np.asarray(Image.open(written).convert("1")), wanted)
    written.unlink()
    for suffix in (".npz", ".json"):
        shutil.copy(Path(maps).with_suffix(suffix), f"my cat{suffix}")
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    assert np.array_equal(np.asarray(Image.open(written).convert("1")), wanted)
    assert same_pixels(Image.open("my-cat-contour.png"), handlers.picture(page_id, asked))


def test_the_lines_of_several_timesteps_write_no_masks(handlers: Handlers, page_id: str):
    command, python = handlers.command(page_id, Asked("3", mode="timesteps", edges=True))
    assert "--masks" not in command
    assert "--edges" not in command
    assert "write_masks" not in python


def test_the_files_of_old_downloads_go(handlers: Handlers, page_id: str):
    folders = [Path(handlers.files(page_id, Asked())[0]).parent for _ in range(10)]
    assert [folder.is_dir() for folder in folders] == [False, False, *[True] * 8]
    assert all(folder.parent == handlers.downloads.folder for folder in folders)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("my cat.v2.png", "my-cat-v2"),
        ("../../etc/passwd", "passwd"),
        ("?.png", "image"),
        ("CON.png", "CON-image"),
    ],
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
        handlers.run("mine", str(image_file), PROMPT, *PASS, progress=progress)
    assert not handlers._stops


def test_what_was_stopped_before_does_not_stop_the_next(handlers: Handlers, image_file: Path):
    handlers.stop("mine")
    assert handlers.run("mine", str(image_file), PROMPT, *PASS).summary


@pytest.mark.parametrize(
    ("image", "timestep", "message"),
    [
        (None, 1, strings.NO_IMAGE),
        ("there", 1.5, "not a whole number"),
        ("there", None, "not a whole number"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(
    handlers: Handlers, image_file: Path, image: str | None, timestep: float | None, message: str
):
    with pytest.raises((ImageError, SettingError), match=re.escape(message)) as caught:
        handlers.run("mine", image and str(image_file), PROMPT, timestep, "none")
    assert message in sentence(caught.value)


def test_what_the_picture_is_no_longer_of_is_told(handlers: Handlers, page_id: str, image_file: Path):
    same_image = image_file.with_name("copy.png")
    same_image.write_bytes(image_file.read_bytes())
    other_image = image_file.with_name("other.png")
    Image.new("RGB", SIZE[::-1]).save(other_image)

    def told(
        image: Path | None = image_file, prompt: str = PROMPT, timestep: float = 50, noise: str = "matched"
    ):
        return handlers.earlier(page_id, image and str(image), prompt, timestep, noise)

    assert told() == told(same_image) == told(timestep=50.0) == ""
    assert handlers.earlier("other", None, "anything", 7, "matched") == ""
    assert strings.EARLIER_IMAGE in told(other_image)
    assert strings.EARLIER_IMAGE in told(None)
    assert PROMPT in told(prompt="something else")
    assert "timestep 50" in told(timestep=300)
    assert "noise matched" in told(noise="none")
    assert "timestep 50 and noise matched" in told(timestep=300, noise="none")
    handlers.run(page_id, str(other_image), "something else", 300, "matched")
    assert told(other_image, "something else", 300, "matched") == ""


def test_two_selections_are_compared(handlers: Handlers, page_id: str, image_file: Path):
    asked = Asked("3", mode="difference", against="5-6, ")
    expected = render(saved_maps(PROMPT), image_file, "difference", tokens="3", against_tokens="5-6")
    assert same_pixels(handlers.picture(page_id, asked), expected)
    assert not same_pixels(handlers.picture(page_id, Asked("3", mode="difference")), expected)
    assert "against" not in str(Asked("3", against="5").settings())
    command, python = handlers.command(page_id, asked)
    assert "--mode difference --tokens 3 --against-tokens 5-6" in command
    assert "'difference', tokens='3', against_tokens='5-6')" in python


def test_the_chips_of_the_second_selection_fill_its_own_box(handlers: Handlers):
    first, second = handlers.chips(PROMPT, "3"), handlers.chips(PROMPT, "2", against=True)
    assert 'data-box="vxa_indices"' in first
    assert 'data-box="vxa_against"' in second
    assert re.findall(r'pressed="true" data-indices="([^"]+)"', first + second) == ["3", "2"]


def test_a_defect_is_one_sentence_on_the_page_and_a_traceback_in_the_log(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.ERROR, "vxa.ui"):
        assert sentence(KeyError("secret")) == strings.DEFECT
    assert "secret" in caplog.text
    caplog.clear()
    assert sentence(SettingError("two\nlines")) == "two lines"
    assert not caplog.records


def test_pages_at_once_get_their_own(handlers: Handlers, image_file: Path):
    prompts = [f"hat{number} neck" for number in range(6)]
    threads = [
        threading.Thread(target=handlers.run, args=(prompt, str(image_file), prompt, *PASS))
        for prompt in prompts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [handlers.pages.get(prompt).maps.provenance.prompt for prompt in prompts] == prompts


def test_the_page_says_which_words_papercut_does_not_know(handlers: Handlers, image_file: Path):
    handlers.run("mine", str(image_file), PROMPT, *PASS)
    kept = handlers.pages.get("mine")
    for model, prompt, told in (
        ("papercut", "a sofa", True),
        ("papercut", "a hat", False),
        ("sd", "a sofa", False),
    ):
        provenance = replace(kept.maps.provenance, model=model, prompt=prompt)
        said = looked(replace(kept, maps=replace(kept.maps, provenance=provenance)), None, 0.1).summary
        assert ("papercut does not know sofa" in said) == told
