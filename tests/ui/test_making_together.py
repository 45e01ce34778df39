"""Pictures that a control makes together, over a small random model: kept, drawn in a row, and explored."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import vxa
from vxa.errors import ImageError, SettingError, VxaError
from vxa.generation.settings import GenerationSettings
from vxa.maps.attention_maps import AttentionMaps
from vxa.pictures.image_regions import image_regions
from vxa.pictures.render import render
from vxa.steering import PromptToPrompt, StyleAligned
from vxa.steering.spec import parse_control
from vxa.tracing.generation import TracedCall
from vxa.ui import strings
from vxa.ui.asked import Asked
from vxa.ui.downloads import Downloads
from vxa.ui.handlers import Handlers
from vxa.ui.live import Live
from vxa.ui.local import STEP_BINS, local_backend
from vxa.ui.pages import maps_bytes
from vxa.ui.steering import MOST_PICTURES, ControlChoice
from vxa.ui.stopping import Stopped
from vxa.ui.together import counterpart

PROMPT, TARGET = "red hat, neck", "and hat, neck"  # words of one token each
STEPS = 3
EDIT = ControlChoice(strings.EDIT, target=TARGET)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vxa.ui.local.GenerationSettings", partial(GenerationSettings, steps=STEPS))


@pytest.fixture
def handlers(sd_model: Any, tmp_path: Path) -> Handlers:
    return Handlers(local_backend(sd_model, "tiny", None, ()), Downloads(tmp_path / "given away"))


@pytest.fixture
def expected(handlers: Handlers) -> Callable[[str], AttentionMaps]:
    """Stand-in maps of a prompt, for which nothing is made."""
    assert handlers.backend.expected is not None
    return partial(handlers.backend.expected, refine=False)


def generated(sd_model: Any, control: Any, *prompts: str) -> vxa.GenerationResult:
    return vxa.generate(sd_model, prompts, seed=3, steps=STEPS, controls=[control], trace={"bins": STEP_BINS})


def same(first: Image.Image, second: Image.Image) -> bool:
    return first.size == second.size and first.tobytes() == second.tobytes()


def drawn_alone(maps: AttentionMaps, image: Image.Image, mode: str = "overlay", **chosen: Any) -> Image.Image:
    return render(maps.each_bin() if mode == "timesteps" else maps, image, mode, **chosen)


def holds(figure: Image.Image, number: int, alone: Image.Image) -> bool:
    """Whether the figure's image region of this number shows what that of the picture alone does."""
    areas = [
        image.crop((each.left, each.top, each.left + each.width, each.top + each.height))
        for image, each in ((figure, image_regions(figure)[number]), (alone, image_regions(alone)[0]))
    ]
    return same(*areas)


@pytest.mark.parametrize(
    ("choice", "control", "prompts"),
    [
        (ControlChoice(), None, ()),
        (EDIT, PromptToPrompt(), (PROMPT, TARGET)),
        (
            ControlChoice(strings.EDIT, TARGET, 0.5, 0, " hat ", "and*2, hat*0.5"),
            PromptToPrompt(0.5, 0, {}, {"and": 2.0, "hat": 0.5}, local_blend="hat"),
            (PROMPT, TARGET),
        ),
        (
            ControlChoice(strings.STYLE, prompts="neck\n\n and hat \n", strength=2),
            StyleAligned(strength=2),
            (PROMPT, "neck", "and hat"),
        ),
        (
            ControlChoice(strings.REWEIGHT, words="red*2"),
            PromptToPrompt(reweight={"red": 2.0}),
            (PROMPT, PROMPT),
        ),
    ],
)
def test_the_fields_of_a_control_are_read(choice: ControlChoice, control: Any, prompts: tuple[str, ...]):
    found = choice.steering(PROMPT)
    if found is None:
        assert control is None
        return
    assert (type(found.control), vars(found.control), found.prompts) == (
        type(control),
        vars(control),
        prompts,
    )


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (ControlChoice("more"), "there is no control 'more' here; choose one of none, Edit the prompt"),
        (ControlChoice(None), "there is no control None here"),
        (ControlChoice(strings.EDIT, " "), "the changed prompt is blank"),
        (ControlChoice(strings.EDIT, f" {PROMPT} "), "the changed prompt is the prompt itself"),
        (ControlChoice(strings.EDIT, TARGET, 2), "cross_until 2 is out of range; give a number from 0 to 1"),
        (ControlChoice(strings.EDIT, TARGET, reweight="red"), "'red' is no word with its factor"),
        (ControlChoice(strings.STYLE, prompts=" \n"), "there are no further prompts"),
        (ControlChoice(strings.STYLE, prompts="hat\n" * MOST_PICTURES), "8 further prompts are too many"),
        (ControlChoice(strings.STYLE, prompts="hat", strength=None), "strength None is out of range"),  # type: ignore[arg-type]
        (ControlChoice(strings.REWEIGHT, words=" "), "there are no words with factors"),
        (ControlChoice(strings.REWEIGHT, words="red*1000"), "reweight of 'red' is 1000.0"),
    ],
)
def test_fields_that_cannot_be_are_one_sentence_before_the_first_step(
    handlers: Handlers, choice: ControlChoice, message: str
):
    with pytest.raises(VxaError, match=re.escape(message)):
        handlers.paint("mine", PROMPT, 3, choice=choice)
    assert handlers.pages.find("mine") is None


@pytest.mark.parametrize(
    ("selection", "target", "found", "lacking"),
    [
        ("", TARGET, "", ()),
        ("1", TARGET, "1", ()),  # red, and another word in its place
        ("1", "blue hat, neck", "1-4", ()),  # which may be of several tokens
        ("4, 1", TARGET, "4, 1", ()),  # in the order of choosing
        ("1-2", "hat, neck", "1", ("red",)),
        ("1", "hat, neck", None, ("red",)),
        ("0", "neck", "0", ()),
    ],
)
def test_a_word_has_its_counterpart_in_another_picture(
    expected: Callable[[str], AttentionMaps],
    selection: str,
    target: str,
    found: str | None,
    lacking: tuple[str, ...],
):
    own, gone = counterpart(Asked(selection), expected(PROMPT), expected(target))
    assert (own and own.selection, gone) == (found, lacking)


def test_both_selections_of_a_difference_have_counterparts(expected: Callable[[str], AttentionMaps]):
    source, target = expected(PROMPT), expected("hat, neck")
    own, gone = counterpart(Asked("2", mode="difference", against="4"), source, target)
    assert own is not None
    assert (own.selection, own.against, gone) == ("1", "3", ())
    own, gone = counterpart(Asked("2", mode="difference", against="1"), source, target)
    assert (own, gone) == (None, ("red",))


@pytest.mark.slow
def test_an_edit_is_drawn_beside_its_source_with_the_maps_of_both(handlers: Handlers, sd_model: Any):
    made = handlers.paint("mine", PROMPT, 3, choice=EDIT)
    wanted = generated(sd_model, PromptToPrompt(), PROMPT, TARGET)
    assert made.problem == ""
    assert [prompt for _, prompt in made.pictures] == [PROMPT, TARGET]
    assert all(same(Image.open(file), image) for (file, _), image in zip(made.pictures, wanted.images))  # noqa: B905
    assert made.image == made.pictures[0][0]
    kept = handlers.pages.get("mine")
    for mode in ("masked", "overlay", "words", "difference", "timesteps"):
        chosen = {} if mode == "words" else {"tokens": "1"}
        chosen |= {"against_tokens": "2"} if mode == "difference" else {}
        figure = handlers.picture("mine", Asked(chosen.get("tokens", ""), mode=mode, against="2"))
        alone = [drawn_alone(*pair, mode, **chosen) for pair in zip(wanted.maps, wanted.images, strict=True)]
        first = len(image_regions(alone[0]))
        assert holds(figure, 0, alone[0])
        assert holds(figure, first, alone[1])
        assert len(image_regions(figure)) == 2 * first
    assert figure.height > figure.width / 3  # rows of several cells lie above each other
    sums = sum(maps_bytes(maps) for maps in wanted.maps)
    assert kept.nbytes == sums + sum(3 * image.width * image.height for image in wanted.images)
    notes = [each.maps.provenance.notes for each in kept.batch]
    assert all(any("steered by PromptToPrompt" in note for note in each) for each in notes)


@pytest.mark.slow
def test_a_picture_without_the_chosen_word_is_shown_without_a_map(handlers: Handlers, sd_model: Any):
    choice = ControlChoice(strings.STYLE, prompts="neck")
    handlers.paint("mine", PROMPT, 3, choice=choice)
    wanted = generated(sd_model, StyleAligned(), PROMPT, "neck")
    seeds = [each.maps.provenance.seed for each in handlers.pages.get("mine").batch]
    assert seeds == [each.wanted.seed for each in handlers.pages.get("mine").batch] == [3, 4]
    for mode in ("masked", "overlay"):
        figure = handlers.picture("mine", Asked("1", mode=mode))
        assert holds(figure, 0, drawn_alone(wanted.maps[0], wanted.images[0], mode, tokens="1"))
        region = image_regions(figure)[1]
        shown = figure.crop((region.left, region.top, region.left + region.width, region.top + region.height))
        assert same(shown, wanted.images[1].resize(shown.size))
    _, python = handlers.command("mine", Asked("1"))
    assert "made.images[1].save('neck-4-picture2-overlay.png')" in python


@pytest.mark.slow
def test_a_picture_that_is_chosen_is_explored_with_the_counterparts_of_the_words(
    handlers: Handlers, sd_model: Any, tmp_path: Path
):
    made = handlers.paint("mine", PROMPT, 3, choice=ControlChoice(strings.EDIT, target="and red hat, neck"))
    before = handlers.picture("mine", Asked("2"))
    anchored = Asked("2", anchor=handlers.edited(PROMPT).anchor)
    found = handlers.choose("mine", made.pictures[1][0], anchored)
    assert found is not None
    looked, asked = found
    assert "“and red hat, neck” · tiny · traced over 3 steps" in looked.summary
    assert looked.summary.endswith("sites")  # and no seconds, for nothing was made
    assert asked.selection == "3"
    kept = handlers.pages.get("mine")
    assert kept.maps is kept.batch[1].maps
    assert same(handlers.picture("mine", asked), before)
    assert not handlers.earlier("mine", made.pictures[1][0], "and red hat, neck", 50, "matched")
    region = image_regions(before)[0]
    handlers.picture_file("mine", asked)
    at = handlers.words_in_picture("mine", asked, region.left + 1, region.top + 1)
    assert {word.text: word.tokens for word, _ in at.words} == {"red": (2,), "hat": (3,), "neck": (5,)}
    region = image_regions(before)[1]
    at = handlers.words_in_picture("mine", asked, region.left + 1, region.top + 1)
    own = handlers.words_at("mine", asked, 0, 0)
    assert at.words == own.words
    Image.new("RGB", (8, 8)).save(tmp_path / "another.png")
    assert handlers.choose("mine", str(tmp_path / "another.png"), asked) is None
    with pytest.raises(ImageError, match="no longer has this image"):
        handlers.choose("mine", str(tmp_path / "gone.png"), asked)
    assert handlers.pages.get("mine") is kept


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["overlay", "timesteps"])
def test_the_lines_make_the_same_pictures(
    handlers: Handlers, sd_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
):
    choice = ControlChoice(strings.EDIT, TARGET, 0.5, 0.3, "hat", "and*2, hat*0.5")
    handlers.paint("mine", PROMPT, 3, choice=choice)
    kept = handlers.pages.get("mine")
    command, python = handlers.command("mine", Asked("1", mode=mode, edges=True))
    words = shlex.split(command)
    assert words[:-4] == ["vxa", "generate", PROMPT, TARGET, "--model", "tiny", "--seed", "3"]
    assert [words[-4], *words[-2:]] == ["--control", "-o", "red-hat-neck-3-together.png"]
    steering = choice.steering(PROMPT)
    assert steering is not None
    assert vars(parse_control(words[-3])) == vars(steering.control)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vxa.generation.generate.load", lambda source: sd_model)
    exec(python.replace("seed=3", f"seed=3, steps={STEPS}"), {})
    for each in kept.batch:
        stem = Path(each.name).stem
        alone = drawn_alone(each.maps, each.image, mode, tokens="1")
        assert same(Image.open(f"{stem}-{mode}.png"), alone)
        assert list(Path(f"{stem}-masks").glob("*.png"))


@pytest.mark.slow
def test_the_files_are_the_images_and_maps_of_both(handlers: Handlers):
    handlers.paint("mine", PROMPT, 3, choice=EDIT)
    kept = handlers.pages.get("mine")
    files = [Path(file) for file in handlers.files("mine", Asked("1", mode="grey"))]
    assert [file.name for file in files] == [
        "red-hat-neck-3-grey.png", "red-hat-neck-3-mask.png", "red-hat-neck-3.png",
        "and-hat-neck-3-picture2.png", "red-hat-neck-3.npz", "red-hat-neck-3.json",
        "and-hat-neck-3-picture2.npz", "and-hat-neck-3-picture2.json",
    ]  # fmt: skip
    for each, image, maps in zip(kept.batch, files[2:4], files[4::2], strict=True):
        assert same(Image.open(image), each.image)
        assert vxa.read_maps(maps).provenance == each.maps.provenance


@pytest.mark.slow
def test_pictures_stay_where_their_control_changed_nothing(handlers: Handlers):
    made = handlers.paint("mine", PROMPT, 3, choice=ControlChoice(strings.EDIT, TARGET, 0, 0))
    assert "changed nothing in the whole generation" in made.problem
    assert len(made.pictures) == len(handlers.pages.get("mine").batch) == 2


@pytest.mark.slow
def test_a_control_that_fails_at_once_leaves_the_page_as_it_was(handlers: Handlers, sd_model: Any):
    handlers.paint("mine", PROMPT, 3)
    before = handlers.pages.get("mine")
    with pytest.raises(vxa.WordError, match="'scarf' is in none of the prompts"):
        handlers.paint("mine", PROMPT, 3, choice=ControlChoice(strings.EDIT, TARGET, local_blend="scarf"))
    assert handlers.pages.find("mine") is before
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in sd_model.network.modules())


@pytest.mark.slow
def test_an_edit_is_stopped_and_the_page_is_as_it_was(handlers: Handlers, sd_model: Any):
    seen = []

    def progress(fraction: float, what: str) -> None:
        seen.append((what, handlers.pages.find("mine")))
        if what == f"step 2 of {STEPS}":
            handlers.stop("mine")

    with pytest.raises(Stopped):
        handlers.paint("mine", PROMPT, 3, progress=progress, choice=EDIT)
    so_far = dict(seen)[f"step 1 of {STEPS}"]
    assert so_far is not None
    assert so_far.maps.provenance.prompt == PROMPT  # the source is seen meanwhile
    assert handlers.pages.find("mine") is None
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in sd_model.network.modules())


@pytest.mark.slow
def test_a_trace_that_fails_costs_none_of_the_pictures(
    handlers: Handlers, sd_model: Any, monkeypatch: pytest.MonkeyPatch
):
    wanted = generated(sd_model, PromptToPrompt(), PROMPT, TARGET)
    end_pass = TracedCall.end_pass

    def failing(call: TracedCall) -> None:
        if call.passes == 2:
            raise vxa.RecordingError("the sky fell")
        end_pass(call)

    monkeypatch.setattr(TracedCall, "end_pass", failing)
    made = handlers.paint("mine", PROMPT, 3, choice=EDIT)
    assert made.problem == "the image was made, but not its maps: the sky fell"
    assert all(
        same(Image.open(file), image) for (file, _), image in zip(made.pictures, wanted.images, strict=True)
    )
    assert handlers.pages.find("mine") is None
    assert handlers.choose("mine", made.pictures[1][0], Asked()) is None


@pytest.mark.slow
def test_what_the_maps_of_a_further_prompt_could_not_answer_is_refused_before_the_first_step(
    handlers: Handlers,
):
    with pytest.raises(SettingError, match="the mean over heads alone"):
        handlers.paint("mine", PROMPT, 3, asked=Asked(heads="0"), choice=EDIT)
    assert handlers.pages.find("mine") is None


@pytest.mark.slow
def test_the_page_shows_the_pictures_and_hides_them_for_one_alone(handlers: Handlers):
    pytest.importorskip("gradio")
    from vxa.ui.making import _finished

    def gallery(choice: ControlChoice) -> dict[str, Any]:
        work = Live(lambda told: handlers.paint("mine", PROMPT, 3, progress=told, choice=choice), print)
        shown: dict[str, Any] = _finished(handlers, "mine", work, Asked())[-2]
        return shown

    both = gallery(EDIT)
    assert (both["visible"], [prompt for _, prompt in both["value"]]) == (True, [PROMPT, TARGET])
    assert handlers.picture_file("mine", Asked()).endswith("-overlay-together.png")
    assert (gallery(ControlChoice())["visible"], gallery(ControlChoice())["value"]) == (False, [])
    assert "together" not in handlers.picture_file("mine", Asked())
