"""`vxa trace`, `attribute` and `compare`, with a tiny random model in a folder."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from diffusers import UNet2DConditionModel
from PIL import Image
from support.tiny_models import make_sd_pipeline
from typer.testing import CliRunner, Result

import vxa
from vxa.cli.main import app
from vxa.maps.heat_map import DEFAULT_THRESHOLD
from vxa.pictures.animation import animation_frames
from vxa.pictures.render import render
from vxa.tracing.generation import TracedCall

PROMPT = "red hat, neck"
SMALL = ("--size", "16x8", "--steps", 3, "--sites", "all")


@pytest.fixture(scope="session")
def model(tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model folder as diffusers writes it."""
    folder = tmp_path_factory.mktemp("model")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        make_sd_pipeline(tokenizer_folder).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the outputs go; nothing is left in it by a refused command."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def vxa_command(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def named_images(folder: Path) -> list[str]:
    described = json.loads((folder / "masks" / "coco.json").read_text("utf-8"))
    return [each["file_name"] for each in described["images"]]


def test_what_was_traced_is_refined_in_all_that_is_written(model: str, folder: Path) -> None:
    result = vxa_command(
        "trace", PROMPT, "--model", model, *SMALL, "--refine", "--mode", "grey", "--words", "hat",
        "-o", folder / "hat.png", "--image", folder / "image.png", "--save", folder / "maps.npz",
        "--animate", folder / "steps.gif", "--masks", folder / "masks",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    maps = vxa.read_maps(folder / "maps.npz")
    chosen = {"words": "hat", "sites": "all", "refine": True}
    with Image.open(folder / "masks" / "hat.png") as mask:
        white = np.asarray(mask.convert("L")) == 255
    assert np.array_equal(white, maps.heat_map(**chosen).mask())
    frames = [
        animation_frames(maps, folder / "image.png", words="hat", sites="all", refine=refine)[0].tobytes()
        for refine in (True, False)
    ]
    assert frames[0] != frames[1]
    drawn = render(maps, folder / "image.png", "grey", **chosen)
    with Image.open(folder / "hat.png") as picture:
        assert picture.convert("RGB").tobytes() == drawn.tobytes()


def test_trace_writes_all_that_was_asked_for(model: str, folder: Path) -> None:
    result = vxa_command(
        "trace", PROMPT, "--model", model, *SMALL, "-o", folder / "words.png",
        "--image", folder / "image.png", "--save", folder / "maps.npz",
        "--animate", folder / "steps.gif", "--masks", folder / "masks",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    maps = vxa.read_maps(folder / "maps.npz")
    assert (maps.provenance.noise, maps.image_size, len(maps.steps)) == ("generated", (16, 8), 3)
    generated = vxa_command("generate", PROMPT, "--model", model, *SMALL[:4], "-o", folder / "generated.png")
    assert generated.exit_code == 0
    assert (folder / "generated.png").read_bytes() == (folder / "image.png").read_bytes()
    with Image.open(folder / "steps.gif") as moving:
        assert moving.n_frames == 3  # type: ignore[attr-defined]
    with Image.open(folder / "masks" / "hat.png") as mask:
        white = np.asarray(mask.convert("L")) == 255
    assert np.array_equal(white, maps.heat_map("hat", sites="all").mask(threshold=DEFAULT_THRESHOLD))
    names = [each["name"] for each in json.loads((folder / "masks" / "coco.json").read_text())["categories"]]
    assert names == ["red", "hat", "neck"]
    assert named_images(folder) == ["image.png"]
    assert not (folder / "masks" / "image.png").exists()
    assert "timestep" in result.stdout
    assert "noise generated" in result.stdout


def test_masks_follow_the_edges_of_the_image_that_was_made(model: str, folder: Path) -> None:
    result = vxa_command(
        "trace", PROMPT, "--model", model, *SMALL, "--tokens", "2", "-o", folder / "words.png",
        "--save", folder / "maps.npz", "--masks", folder / "masks", "--edges", "--threshold", 0.9,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    heat = vxa.read_maps(folder / "maps.npz").heat_map("hat", sites="all")
    with Image.open(folder / "masks" / "image.png") as made, Image.open(folder / "masks" / "hat.png") as mask:
        white = np.asarray(mask.convert("L")) == 255
        assert np.array_equal(white, heat.mask(edges=made, threshold=0.9))
    assert not np.array_equal(white, heat.mask(threshold=0.9))
    assert [path.name for path in (folder / "masks").glob("*.png") if path.stem != "image"] == ["hat.png"]


def test_trace_draws_a_strip_of_its_steps(model: str, folder: Path) -> None:
    result = vxa_command(
        "trace", PROMPT, "--model", model, *SMALL, "--words", "hat", "--mode", "timesteps", "--bins", "each",
        "-o", folder / "strip.png",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    with Image.open(folder / "strip.png") as strip:
        assert strip.width > strip.height


@pytest.mark.parametrize(
    "extra", [("--seeds", "0, 1"), ("--inversion", "ddim", "--steps", 4, "--refine")], ids=["noise", "ddim"]
)
def test_attribute_reads_a_real_image(
    extra: tuple[object, ...], model: str, folder: Path, picture: Image.Image
) -> None:
    picture.save(folder / "photo.png")
    result = vxa_command(
        "attribute", folder / "photo.png", PROMPT, "--model", model, "--timesteps", "200, 700",
        "--words", "hat", "--mode", "overlay", "--save", folder / "maps.npz",
        "-o", folder / "hat.png", *extra,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    maps = vxa.read_maps(folder / "maps.npz")
    assert maps.image_size == (40, 24)
    assert maps.provenance.noise == ("matched" if extra[0] == "--seeds" else "ddim")
    assert bool(maps.self_sites) == ("--refine" in extra)
    assert (folder / "hat.png").is_file()


def test_masks_of_images_in_one_folder_are_described_together(model: str, folder: Path) -> None:
    Image.new("RGB", (24, 40), "red").save(folder / "kleine Größe.png")
    for command in (
        ("trace", PROMPT, *SMALL),
        ("attribute", folder / "kleine Größe.png", PROMPT, "--seeds", "1"),
    ):
        result = vxa_command(
            *command, "--model", model, "-o", folder / "words.png", "--masks", folder / "masks",
        )  # fmt: skip
        assert result.exit_code == 0, result.stderr
    assert named_images(folder) == ["image.png", "kleine Größe.png"]
    with Image.open(folder / "masks" / "image.png") as picture:
        assert picture.size == (8, 16)
    assert (folder / "masks" / "kleine-Größe-hat.png").is_file()


def test_another_programs_description_stops_before_the_model_is_loaded(folder: Path) -> None:
    (folder / "coco.json").write_text("{}")
    result = vxa_command("trace", PROMPT, "--model", "nowhere", "-o", folder / "a.png", "--masks", folder)
    assert result.exit_code == 2
    assert "this version of VXA did not write it" in result.stderr
    assert (folder / "coco.json").read_text() == "{}"


def test_compare_draws_two_saved_runs(model: str, folder: Path) -> None:
    for seed in (1, 2):
        made = vxa_command(
            "trace", PROMPT, "--model", model, *SMALL, "--seed", seed, "-o", folder / "words.png",
            "--image", folder / f"{seed}.png", "--save", folder / f"{seed}.npz", "--refine",
        )  # fmt: skip
        assert made.exit_code == 0, made.stderr
    drawn = []
    for refine in ((), ("--refine",)):
        result = vxa_command(
            "compare", folder / "1.npz", folder / "2.npz", "--image", folder / "1.png", "--second-image",
            folder / "2.png", "--words", "hat", "--sites", "all", *refine, "-o", folder / "apart.png",
        )  # fmt: skip
        assert result.exit_code == 0, result.stderr
        assert "A - B" in result.stdout
        drawn.append((folder / "apart.png").read_bytes())
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("trace", PROMPT, "-o", "OUT/a.txt"), "end it in one of .png"),
        (("trace", PROMPT, "-o", "OUT/a.png", "--animate", "OUT/a.mp4"), "cannot animate to"),
        (("trace", PROMPT, "-o", "OUT/a.png", "--mode", "difference"), "vxa compare"),
        (("trace", PROMPT, "-o", "OUT/a.png", "--bins", "0"), "bins 0 is not allowed"),
        (("trace", PROMPT, "-o", "OUT/a.png", "--bins", "many"), "bins 'many' is not allowed"),
        (("trace", PROMPT, "-o", "OUT/a.png", "--steps", "0"), "steps 0 is out of range"),
        (("trace", " ", "-o", "OUT/a.png"), "has no words"),
        (("trace", PROMPT, "-o", "OUT/a.png", "--edges"), "--edges is for masks, and none are written"),
        (("attribute", "PHOTO", PROMPT, "-o", "OUT/a.png", "--edges"), "give --masks FOLDER too"),
        (("trace", PROMPT, "-o", "OUT/a.png", "--words", "hta", *SMALL), "did you mean hat"),
        (("trace", PROMPT, "-o", "OUT/a.png", "--tokens", "77", *SMALL), "index 77 in '77' is out of range"),
        (("trace", PROMPT, "-o", "OUT/a.png", "--sites", "5x5", *SMALL[:4]), "no site here is called '5x5'"),
        (("trace", PROMPT, "-o", "OUT/a.png", "--bins", "1", "--animate", "OUT/a.gif"), "one step to show"),
        (("trace", PROMPT, "-o", "OUT/a.png", "--steps", "1", "--animate", "OUT/a.gif"), "one step to show"),
        (("attribute", "PHOTO", PROMPT, "-o", "OUT/a.png", "--words", "hta"), "did you mean hat"),
        (("attribute", "OUT/none.png", PROMPT, "-o", "OUT/a.png"), "none.png"),
        (("attribute", "PHOTO", PROMPT, "-o", "OUT/a.png", "--seeds", "1, x"), "seeds '1, x' cannot be read"),
        (("attribute", "PHOTO", PROMPT, "-o", "OUT/a.png", "--timesteps", "1000"), "not a whole number"),
        (("attribute", "PHOTO", PROMPT, "-o", "OUT/a.png", "--inversion", "null"), "'null' is unknown"),
        (("compare", "OUT/a.npz", "OUT/b.npz", "-o", "OUT/a.png"), "there is no file"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(
    args: tuple[object, ...],
    message: str,
    model: str,
    folder: Path,
    tmp_path: Path,
    picture: Image.Image,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each is refused before the network runs."""
    monkeypatch.setattr(UNet2DConditionModel, "forward", lambda *args, **given: pytest.fail("the model ran"))
    picture.save(tmp_path / "photo.png")
    filled = [
        str(arg).replace("OUT", str(folder)).replace("PHOTO", str(tmp_path / "photo.png")) for arg in args
    ]
    model_option = () if filled[0] == "compare" else ("--model", model)
    result = vxa_command(*filled, *model_option)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(folder.iterdir())


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("fails", ["tracing", "drawing"])
def test_an_image_that_was_made_is_saved_whatever_fails(
    model: str, folder: Path, monkeypatch: pytest.MonkeyPatch, named: bool, fails: str
) -> None:
    made = vxa_command("generate", PROMPT, "--model", model, *SMALL[:4], "-o", folder / "made.png")
    assert made.exit_code == 0
    wanted = (folder / "made.png").read_bytes()
    (folder / "hat-image.png").write_text("another's")
    where = folder / ("image.png" if named else "hat-image-2.png")
    fail_at(monkeypatch, fails)
    given = ("--image", where) if named else ()
    result = vxa_command("trace", PROMPT, "--model", model, *SMALL, "-o", folder / "hat.png", *given)
    assert result.exit_code == 2
    assert result.stderr == f"vxa: the sky fell; the image itself was made and is in {where}\n"
    assert where.read_bytes() == wanted
    assert {path.name for path in folder.iterdir()} == {"made.png", "hat-image.png", where.name}


def fail_at(monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    """Let the second pass or the drawing of what was traced fail."""
    calls = []

    def fail_second(*args: object, **given: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise vxa.RecordingError("the sky fell")
        return original(*args, **given)  # type: ignore[operator]

    place = "vxa.tracing.generation.TracedCall.end_pass"
    if fails == "drawing":
        place = "vxa.cli.trace_outputs.render"
    original = TracedCall.end_pass if fails == "tracing" else render
    monkeypatch.setattr(place, fail_second)
