"""An image in the making, over a small random model: what the page has of it while it is made, and after."""

from __future__ import annotations

import html
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.replayed import PASS
from torch.nn.modules import module as torch_module
from typer.testing import CliRunner

import vxa
from vxa.errors import SettingError
from vxa.generation.images import make_image
from vxa.generation.preview import Preview
from vxa.generation.settings import GenerationSettings
from vxa.maps.heat_map import REFINED_THRESHOLD
from vxa.pictures.modes import MODES
from vxa.pictures.render import render
from vxa.tracing.generation import TracedCall
from vxa.ui import strings
from vxa.ui.asked import Asked
from vxa.ui.downloads import Downloads
from vxa.ui.handlers import Handlers
from vxa.ui.live import Live
from vxa.ui.local import STEP_BINS, Pace, local_backend
from vxa.ui.pages import maps_bytes
from vxa.ui.stopping import Stopped
from vxa.ui.uploads import Uploads

PROMPT = "red hat, neck"

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def every_step_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a look takes on a busy machine."""
    monkeypatch.setattr(Pace, "take", lambda self, look: look())


@pytest.fixture
def handlers(sd_model: Any, tmp_path: Path) -> Handlers:
    return Handlers(local_backend(sd_model, "tiny", None, ()), Downloads(tmp_path / "given away"))


@pytest.fixture
def no_more_passes(handlers: Handlers, sd_model: Any) -> Any:
    """From when it is called on, the UNet must not run."""
    hooks = []

    def refuse(module: Any, inputs: Any) -> None:
        raise AssertionError("the model ran")

    yield lambda: hooks.append(sd_model.network.register_forward_pre_hook(refuse))
    for hook in hooks:
        hook.remove()


def same(first: Image.Image, second: Image.Image) -> bool:
    return first.size == second.size and first.tobytes() == second.tobytes()


def traced(sd_model: Any, **settings: Any) -> tuple[vxa.AttentionMaps, Image.Image]:
    with vxa.trace(sd_model, bins=STEP_BINS, **settings) as trace:
        image = make_image(sd_model, PROMPT, GenerationSettings(seed=3))
    return trace.maps[0], image


def test_the_maps_of_an_image_that_was_made_are_the_traces_and_answer_everything(
    handlers: Handlers, sd_model: Any, no_more_passes: Callable[[], None]
):
    made = handlers.paint("mine", PROMPT, 3)
    maps, image = traced(sd_model)
    no_more_passes()
    assert "traced over 20 steps while it was painted" in made.summary
    assert same(Image.open(made.image), image)
    assert [Path(made.image).name, len(maps.steps)] == ["red-hat-neck-3.png", 5]
    for mode in MODES:
        asked = Asked("2", "all sites together · all", mode=mode, threshold=0.3, against="1")
        chosen = {"tokens": "2", "sites": "all", "threshold": 0.3}
        chosen |= {"against_tokens": "1"} if mode == "difference" else {}
        given = maps.each_bin() if mode == "timesteps" else maps
        assert same(handlers.picture("mine", asked), render(given, image, mode, **chosen))
    assert handlers.words_at("mine", Asked(), 5, 9).where.endswith("t = 951 … 1")
    handlers.picture_file("mine", Asked("2", mode="timesteps"))
    third = handlers.pictures.image_regions("mine")[2]
    found = handlers.words_in_picture("mine", Asked("2", mode="timesteps"), third.left + 3, third.top + 3)
    assert found.where.endswith(maps.each_bin()[2].provenance.level)


def test_a_prompt_that_the_pipeline_would_cut_off_is_painted_whole(handlers: Handlers):
    handlers.paint("mine", "red " * 80 + "neck", 3)
    maps = handlers.pages.get("mine").maps
    assert maps.heat_map("neck").tokens == (77 + 6,)
    assert handlers.picture("mine", Asked(str(77 + 6)))


def test_while_an_image_is_made_the_page_has_what_there_is_of_it(handlers: Handlers, sd_model: Any):
    pictures, steps = [], []

    def progress(fraction: float, what: str) -> None:
        kept = handlers.pages.find("mine")
        if kept is None or what == strings.DONE:
            return
        steps.append((what, kept.maps.provenance.notes[-1]))
        assert (kept.image.height, kept.image.width) == kept.maps.image_size
        pictures.append(handlers.picture("mine", Asked("2")).tobytes())

    handlers.paint("mine", PROMPT, 3, progress=progress)
    read = [(f"step {step} of 20", f"read {step} of 20 steps") for step in range(1, 20)]
    assert steps[: len(read)] == read
    assert len(set(pictures)) == len(read)
    whole = handlers.pages.get("mine")
    assert not any("read" in note for note in whole.maps.provenance.notes)
    assert whole.nbytes == maps_bytes(whole.maps) + 3 * whole.image.width * whole.image.height
    sums = sum(record.sums.nbytes for record in whole.maps.records.values())
    assert maps_bytes(whole.maps) == sums > 0


@pytest.mark.parametrize("had", [True, False])
@pytest.mark.parametrize("cause", ["stop", "defect"])
def test_what_ends_an_image_leaves_the_page_as_it_was(
    handlers: Handlers, sd_model: Any, tmp_path: Path, had: bool, cause: str
):
    Image.effect_noise((24, 40), 90).save(tmp_path / "photo.png")
    if had:
        handlers.run("mine", str(tmp_path / "photo.png"), "hat", *PASS)
    before = handlers.pages.find("mine")

    def progress(fraction: float, what: str) -> None:
        if what == "step 7 of 20":
            assert handlers.pages.get("mine").wanted.traced
            if cause == "defect":
                raise KeyError(cause)
            handlers.stop("mine")

    with pytest.raises(Stopped if cause == "stop" else KeyError):
        handlers.paint("mine", PROMPT, 3, progress=progress)
    assert handlers.pages.find("mine") is before
    assert not torch_module._global_forward_pre_hooks
    hooks = [(part._forward_hooks, part._forward_pre_hooks) for part in sd_model.network.modules()]
    assert not any(hooks) or not any(one for pair in hooks for one in pair)
    assert handlers.paint("mine", PROMPT, 3).summary


def test_another_pass_is_of_the_image_again(handlers: Handlers, sd_model: Any):
    made = handlers.paint("mine", PROMPT, 3)
    assert handlers.earlier("mine", made.image, PROMPT, 300, "matched", 9) == ""
    assert PROMPT in handlers.earlier("mine", made.image, "blue", *PASS)
    looked = handlers.run("mine", made.image, PROMPT, *PASS)
    assert "one pass at timestep 50, noise matched" in looked.summary
    assert not handlers.pages.get("mine").maps.steps
    handlers.paint("mine", PROMPT, 3)
    handlers.run_timesteps("mine", made.image, PROMPT, *PASS, "1, 7")
    assert [maps.provenance.timestep for maps in handlers.pages.get("mine").passes] == [1, 7]


def test_what_was_not_traced_is_told(handlers: Handlers):
    handlers.paint("mine", PROMPT, 3)
    with pytest.raises(SettingError, match="was not traced while this image was painted"):
        handlers.picture("mine", Asked(refine=True))
    with pytest.raises(SettingError, match="write mean, or press Visualize"):
        handlers.picture("mine", Asked(heads="0"))


def test_a_refined_trace(handlers: Handlers, sd_model: Any, no_more_passes: Callable[[], None]):
    handlers.paint("mine", PROMPT, 3, refine=True)
    maps, image = traced(sd_model, self_attention=True)
    no_more_passes()
    asked = Asked("2", mode="contour", refine=True, threshold=REFINED_THRESHOLD)
    assert same(handlers.picture("mine", asked), render(maps, image, "contour", tokens="2", refine=True))
    plain = Asked("2", mode="contour")
    assert same(handlers.picture("mine", plain), render(maps, image, "contour", tokens="2"))


@pytest.mark.parametrize("mode", ["overlay", "timesteps", "difference"])
@pytest.mark.parametrize("refine", [False, True])
def test_the_commands_make_the_same_image_and_picture(
    handlers: Handlers,
    sd_model: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    refine: bool,
):
    handlers.paint("mine", PROMPT, 3, refine)
    asked = Asked("2", "all sites together · all", mode=mode, against="1", refine=refine, colormap="viridis")
    asked = replace(asked, edges=True, threshold=0.9)
    wanted = handlers.picture("mine", asked)
    wanted_mask = np.asarray(Image.open(handlers.files("mine", asked)[1]))
    written = Path("red-hat-neck-3-masks/hat.png")
    command, python = handlers.command("mine", asked)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vxa.generation.generate.load", lambda source: sd_model)
    exec(python, {})
    made = Path(f"red-hat-neck-3-{mode}.png")
    assert same(Image.open(made), wanted)
    assert np.array_equal(np.asarray(Image.open(written).convert("1")), wanted_mask)
    made.unlink()
    shutil.rmtree(written.parent)
    monkeypatch.setattr("vxa.cli.model.load_quietly", lambda model, loading: sd_model)
    from vxa.cli.main import app

    for line in command.splitlines():
        done = CliRunner().invoke(app, shlex.split(line)[1:])
        assert done.exit_code == 0, done.output
    assert same(Image.open(made), wanted)
    assert np.array_equal(np.asarray(Image.open(written).convert("1")), wanted_mask)


def test_the_files_are_the_image_too_and_read_back(handlers: Handlers):
    made = handlers.paint("mine", PROMPT, 3)
    asked = Asked("2", mode="grey")
    picture, mask, image, maps, _ = map(Path, handlers.files("mine", asked))
    assert [path.name for path in (picture, mask, image, maps)] == [
        "red-hat-neck-3-grey.png", "red-hat-neck-3-mask.png", "red-hat-neck-3.png", "red-hat-neck-3.npz",
    ]  # fmt: skip
    assert image.read_bytes() == Path(made.image).read_bytes()
    read = vxa.read_maps(maps)
    assert read.provenance == handlers.pages.get("mine").maps.provenance
    assert (read.provenance.noise, read.provenance.seed) == ("generated", 3)
    assert same(render(read, image, "grey", tokens="2"), Image.open(picture))
    assert np.array_equal(np.asarray(Image.open(mask)), read.heat_map(tokens="2").mask())


def test_the_images_that_were_made_are_bounded_as_uploads_are(handlers: Handlers):
    handlers.uploads = Uploads(most=2)
    made = [Path(handlers.paint("mine", PROMPT, seed).image) for seed in range(3)]
    assert [path.is_file() for path in made] == [False, True, True]


@pytest.mark.parametrize(
    ("prompt", "asked", "message"),
    [
        (PROMPT, Asked(heads="0"), "of a traced image the mean over heads alone is kept"),
        (PROMPT, Asked("99"), "index 99 in '99' is out of range"),
        (PROMPT, Asked("1-"), "holds a range without an end"),
        (PROMPT, Asked("1", mode="difference", against="x"), "holds 'x', which is not an index"),
        (PROMPT, Asked(sites="nowhere"), "no site here is called 'nowhere'"),
        (PROMPT, Asked(sites="5x5"), "no site here is called '5x5'"),
        (PROMPT, Asked(threshold=2), "threshold 2 is out of range"),
        (PROMPT, Asked(opacity=-1), "opacity -1 is out of range"),
        (PROMPT, Asked(colormap="none"), "colormap 'none'"),
        (PROMPT, Asked(mode="none"), "there is no mode 'none'"),
        (PROMPT, Asked(refine=True), "self-attention was not traced"),
        (PROMPT, Asked(sites="all", normalize="original"), "normalize='original' reads one site"),
        (" ", Asked(), "the prompt has no tokens of its own"),
    ],
)
def test_what_the_maps_could_not_answer_is_refused_before_the_first_step(
    handlers: Handlers, no_more_passes: Callable[[], None], prompt: str, asked: Asked, message: str
):
    no_more_passes()
    with pytest.raises(vxa.VxaError, match=re.escape(message)):
        handlers.paint("mine", prompt, 3, asked=asked)
    assert handlers.pages.find("mine") is None


def test_a_seed_or_a_folder_that_cannot_be_is_refused_before_the_first_step(
    handlers: Handlers, no_more_passes: Callable[[], None], tmp_path: Path
):
    no_more_passes()
    with pytest.raises(SettingError, match="seed -1"):
        handlers.paint("mine", PROMPT, -1)
    (tmp_path / "file").write_text("no folder")
    handlers.downloads = Downloads(tmp_path / "file" / "within")
    with pytest.raises(vxa.ImageError, match="there is no folder"):
        handlers.paint("mine", PROMPT, 3)


@pytest.mark.parametrize(("prompt", "selection"), [("a red hat", "3"), ("neck, red hat", "4")])
def test_a_selection_follows_its_word_into_the_prompt_that_is_painted(
    handlers: Handlers, prompt: str, selection: str
):
    asked = Asked("2", anchor=handlers.edited(PROMPT).anchor)
    handlers.paint("mine", prompt, 3, asked=asked)
    shown = handlers.picture("mine", handlers.settled("mine", asked))
    assert same(shown, handlers.picture("mine", Asked(selection)))


def made_alone(sd_model: Any) -> Image.Image:
    return make_image(sd_model, PROMPT, GenerationSettings(seed=3))


def fail_at(monkeypatch: pytest.MonkeyPatch, number: int, error: Exception) -> None:
    """Let the trace fail at the end of the pass of this number, from 1."""
    passes, end_pass = [], TracedCall.end_pass

    def failing(call: TracedCall) -> None:
        passes.append(1)
        if len(passes) == number:
            raise error
        end_pass(call)

    monkeypatch.setattr(TracedCall, "end_pass", failing)


def shown(handlers: Handlers, asked: Asked) -> list[Any]:
    """The page's outputs when an image of the prompt was asked for."""
    pytest.importorskip("gradio")
    from vxa.ui.making import _finished

    work = Live(lambda progress: handlers.paint("mine", PROMPT, 3, progress=progress, asked=asked), print)
    return _finished(handlers, "mine", work, asked)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (vxa.RecordingError("the sky fell"), "the sky fell"),
        (MemoryError(), "the memory was too small for the trace"),
        (KeyError("x"), strings.DEFECT),
    ],
)
def test_a_trace_that_fails_midway_does_not_cost_the_image(
    handlers: Handlers, sd_model: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
):
    wanted = made_alone(sd_model)
    fail_at(monkeypatch, 7, error)
    live, image, _, _, summary, sites, picture, *_, message = shown(handlers, Asked("2"))
    assert same(Image.open(image["value"]), wanted)
    assert picture["value"] == image["value"]
    assert [live, f"the image was made, but not its maps: {said}" in html.unescape(message)] == ["", True]
    assert "made, not traced" in summary
    assert handlers.pages.find("mine") is None
    assert sites["choices"] == list(handlers.backend.sites)
    handlers.run("mine", image["value"], PROMPT, *PASS)  # the next press looks at it
    assert same(handlers.pages.get("mine").image, wanted)
    assert not any(part._forward_hooks for part in sd_model.network.modules())


def test_a_trace_that_fails_at_the_first_step_is_refused(handlers: Handlers, monkeypatch: pytest.MonkeyPatch):
    fail_at(monkeypatch, 1, vxa.RecordingError("the sky fell"))
    *unchanged, message = shown(handlers, Asked())
    assert message == '<p role="alert">the sky fell</p>'
    assert "value" not in unchanged[1]


@pytest.mark.parametrize("mode", ["overlay", "timesteps"])
def test_a_picture_that_cannot_be_drawn_does_not_cost_the_image(
    handlers: Handlers, sd_model: Any, monkeypatch: pytest.MonkeyPatch, mode: str
):
    def fail(page: str, asked: Asked) -> Image.Image:
        raise SettingError("the brush broke")

    monkeypatch.setattr(handlers, "picture", fail)
    _, image, _, _, summary, _, picture, *_, message = shown(handlers, Asked(mode=mode))
    assert same(Image.open(image["value"]), made_alone(sd_model))
    assert picture["value"] == image["value"]
    assert "the brush broke" in message
    assert "traced over 20 steps" in summary
    monkeypatch.undo()
    assert handlers.picture("mine", Asked(mode=mode))


def test_a_preview_that_cannot_be_drawn_does_not_cost_the_image(
    handlers: Handlers, sd_model: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        Preview, "image", lambda *size: (_ for _ in ()).throw(vxa.ImageError("the glass broke"))
    )
    made = handlers.paint("mine", PROMPT, 3)
    assert made.problem == "the glass broke"
    assert same(Image.open(made.image), made_alone(sd_model))
    assert len(handlers.pages.get("mine").maps.steps) == 5


def test_an_image_whose_file_cannot_be_written_is_kept(
    handlers: Handlers, sd_model: Any, monkeypatch: pytest.MonkeyPatch
):
    def fail(*args: Any) -> Path:
        raise vxa.ImageError("the disk is full")

    monkeypatch.setattr("vxa.ui.painting.save_image", fail)
    made = handlers.paint("mine", PROMPT, 3)
    assert (made.image, made.problem) == ("", "the disk is full")
    assert same(handlers.pages.get("mine").image, made_alone(sd_model))


def test_stopping_once_the_image_is_there_does_not_cost_it(
    handlers: Handlers, sd_model: Any, monkeypatch: pytest.MonkeyPatch
):
    wanted = made_alone(sd_model)

    def stopped_late(*args: Any) -> Image.Image:
        image = make_image(*args)
        handlers.stop("mine")
        return image

    monkeypatch.setattr("vxa.generation.generate.make_image", stopped_late)
    assert same(Image.open(handlers.paint("mine", PROMPT, 3).image), wanted)
