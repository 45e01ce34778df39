"""The command line, with a tiny random model in a folder: what it writes, says and refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import ROOT
from support.tiny_models import make_sd_pipeline
from typer.testing import CliRunner, Result

import vxa
from vxa.cli.console import columns, quiet
from vxa.cli.main import app
from vxa.errors import SettingError
from vxa.pictures.modes import MODES
from vxa.pictures.render import render

README = ROOT / "README.md"
SIZE = (40, 24)  # of `picture`, height first


@pytest.fixture(scope="session")
def model(tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model folder as diffusers writes it."""
    folder = tmp_path_factory.mktemp("model")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        make_sd_pipeline(tokenizer_folder).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def photo(picture: Image.Image, tmp_path: Path) -> str:
    picture.save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the outputs go; nothing is left in it by a refused command."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def vxa_command(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def succeeded(*args: object) -> str:
    result = vxa_command(*args)
    assert result.exit_code == 0, (result.stderr, result.exception)
    assert result.stderr == ""
    return result.stdout


def refused(folder: Path, *args: object) -> str:
    before = sorted(folder.rglob("*"))
    result = vxa_command(*args)
    assert result.exit_code == 2, (result.exit_code, result.stdout, result.exception)
    assert result.stdout == ""
    assert re.fullmatch(r"vxa: [^\n]+\n", result.stderr), result.stderr
    assert sorted(folder.rglob("*")) == before
    return result.stderr


def test_show_writes_a_picture_and_a_summary(model: str, photo: str, folder: Path) -> None:
    said = succeeded(
        "show", photo, "red hat, neck", "--words", "hat", "--model", model, "-o", folder / "hat.png"
    )
    assert pixels(folder / "hat.png").shape == (*SIZE, 3)
    assert os.listdir(folder) == ["hat.png"]
    assert "2 hat" in said
    assert re.search(r"timestep +50, noise matched", said)
    row, column = map(int, re.search(r"peak .* at row (\d+), column (\d+) of 40x24", said).groups())  # type: ignore[union-attr]
    assert (0 <= row < 40, 0 <= column < 24) == (True, True)


@pytest.mark.parametrize("mode", MODES)
def test_show_draws_every_mode(model: str, photo: str, folder: Path, mode: str) -> None:
    succeeded("show", photo, "red hat, neck", "--mode", mode, "--model", model, "-o", folder / "out.png")
    assert pixels(folder / "out.png").shape[2] == 3


def test_show_compares_two_selections(model: str, photo: str, folder: Path) -> None:
    asked = ("show", photo, "red hat, neck", "--model", model, "--mode", "difference")
    succeeded(*asked, "--words", "hat", "--against", "neck", "-o", folder / "words.png")
    succeeded(*asked, "--tokens", "2", "--against-tokens", "4", "-o", folder / "tokens.png")
    succeeded(*asked, "--words", "hat", "-o", folder / "every.png")
    assert np.array_equal(pixels(folder / "words.png"), pixels(folder / "tokens.png"))
    assert not np.array_equal(pixels(folder / "words.png"), pixels(folder / "every.png"))


def test_a_blank_choice_is_the_default(model: str, photo: str, folder: Path) -> None:
    asked = ("show", photo, "red hat, neck", "--model", model)
    blank = ("--words", "", "--tokens", "", "--sites", "", "--heads", "")
    succeeded(*asked, "-o", folder / "out.png")
    succeeded(*asked, *blank, "-o", folder / "blank.png")
    assert np.array_equal(pixels(folder / "out.png"), pixels(folder / "blank.png"))


def test_show_looks_at_several_timesteps(model: str, photo: str, folder: Path) -> None:
    asked = ("show", photo, "red hat, neck", "--model", model, "--mode", "timesteps", "--words", "hat")
    said = succeeded(*asked, "--timesteps", "300, 1", "-o", folder / "two.png")
    assert "300, 1, noise matched" in said
    passes = [vxa.visualize(vxa.load(model), photo, "red hat, neck", timestep) for timestep in (300, 1)]
    assert np.array_equal(pixels(folder / "two.png"), np.asarray(render(passes, photo, "timesteps", "hat")))


def test_show_takes_every_setting(model: str, photo: str, folder: Path) -> None:
    said = succeeded(
        "show", photo, "red hat, neck", "--tokens", "1, 3-4", "--sites", "M00", "--heads", "0,1",
        "--mode", "overlay", "--timestep", 300, "--noise", "matched", "--seed", 3,
        "--max-side", 32, "--normalize", "absolute",
        "--threshold", 0.3, "--opacity", 0.5, "--colormap", "viridis",
        "--resample", "nearest", "--device", "cpu",
        "--model", model, "-o", folder / "out.jpg",
    )  # fmt: skip
    assert "1 red, 3 ,, 4 neck" in said
    assert "M00" in said
    assert "300, noise matched" in said


def test_saved_maps_make_the_same_picture_without_the_model(
    model: str, photo: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = "red hat, neck"
    succeeded(
        "show",
        photo,
        prompt,
        "--model",
        model,
        "-o",
        folder / "a.png",
        "--save",
        folder / "maps.npz",
        "--words",
        "hat",
    )
    assert json.loads((folder / "maps.json").read_text())["provenance"]["prompt"] == prompt
    monkeypatch.delattr("vxa.cli.passes.watch_passes")
    succeeded(
        "show",
        photo,
        "--maps",
        folder / "maps.npz",
        "-o",
        folder / "b.png",
        "--words",
        "hat",
    )
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    succeeded(
        "show",
        photo,
        "--maps",
        folder / "maps.npz",
        "-o",
        folder / "c.png",
        "--mode",
        "matrix",
        "--sites",
        "all",
    )
    error = refused(folder, "show", photo, "a dog", "--maps", folder / "maps.npz", "-o", folder / "d.png")
    assert "'a dog'" in error
    idle = ("--maps", folder / "maps.npz", "--timestep", "300", "--max-side", "64", "-o", folder / "d.png")
    assert "--timestep, --max-side would do nothing" in refused(folder, "show", photo, *idle)
    assert not (folder / "d.png").exists()


def white(path: Path) -> np.ndarray:
    with Image.open(path) as mask:
        return np.asarray(mask.convert("L")) == 255


def test_show_writes_masks_of_what_was_chosen_along_the_edges(model: str, photo: str, folder: Path) -> None:
    asked = ("show", photo, "red hat, neck", "--model", model, "--tokens", "2", "--heads", "1")
    said = succeeded(*asked, "--masks", folder / "plain", "-o", folder / "a.png", "--save", folder / "a.npz")
    assert re.search(r"masks +1 and coco.json in \S+plain\n", said)
    heat = vxa.read_maps(folder / "a.npz").heat_map("hat", heads="1")
    assert sorted(os.listdir(folder / "plain")) == ["coco.json", "hat.png"]
    assert np.array_equal(white(folder / "plain" / "hat.png"), heat.mask())
    again = ("show", photo, "--maps", folder / "a.npz", *asked[5:])
    said = succeeded(*again, "--masks", folder / "sharp", "--edges", "-o", folder / "b.png")
    assert "sharp, along the picture's edges" in said
    sharp = white(folder / "sharp" / "hat.png")
    with Image.open(photo) as picture:
        assert np.array_equal(sharp, heat.mask(edges=picture))
    assert not np.array_equal(sharp, heat.mask())
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()  # the picture heeds no edges


def test_tokens_lists_what_the_library_says(model: str) -> None:
    lines = succeeded("tokens", "red hat, neckhat 🎩", "--model", model).splitlines()
    assert lines[0].split() == ["index", "piece", "word", "special"]
    assert lines[1].split() == ["0", "<bos>", "bos"]
    assert lines[2].split() == ["1", "red", "red"]
    assert lines[3].split() == ["2", "hat", "hat"]
    assert lines[-1].split()[0].endswith("-76")
    assert lines[-1].endswith("pad")


def test_tokens_of_ten_thousand_words(model: str) -> None:
    lines = succeeded("tokens", "hat " * 10_000, "--model", model).splitlines()
    assert sum(line.split()[1:3] == ["hat", "hat"] for line in lines[1:]) == 10_000


def test_sites_lists_every_site(model: str) -> None:
    lines = succeeded("sites", "--model", model).splitlines()
    assert lines[0].split() == ["label", "kind", "part", "heads", "factor", "grid", "name"]
    loaded = vxa.load(model)
    assert [line.split()[-1] for line in lines[1:]] == [site.name for site in loaded.sites]
    starred = {line.split()[-1] for line in lines if "*" in line}
    assert starred == {site.name for site in loaded.sites if site.kind == "cross" and site.factor == 4}
    middle = next(line.split() for line in lines if line.startswith("M00") and "cross" in line)
    assert middle[1:6] == ["cross", "mid", "2", "f4", "4x4"]


def test_generate_is_seeded(model: str, folder: Path) -> None:
    arguments = ("--model", model, "--steps", 2, "--size", "16x24", "--negative", "neck", "--guidance", 3)
    for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        succeeded("generate", "red hat", "--seed", seed, *arguments, "-o", folder / name)
    a, b, c = (pixels(folder / name) for name in ("a.png", "b.png", "c.png"))
    assert a.shape == (16, 24, 3)
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_scene_writes_all_its_parts(folder: Path) -> None:
    scene = vxa.papercut.scene(7, "dev")
    succeeded("scene", "--seed", 7, "--split", "dev", "-o", folder / "scene")
    written = folder / "scene"
    assert (written / "caption.txt").read_text("utf-8") == scene.caption + "\n"
    assert np.array_equal(pixels(written / "image.png"), scene.image)
    assert (written / "parse.conllu").read_text("utf-8").strip() == str(scene.parse).strip()
    assert {path.stem for path in (written / "masks").iterdir()} == set(scene.masks)
    for noun, mask in scene.masks.items():
        assert np.array_equal(pixels(written / "masks" / f"{noun}.png") == 255, mask)
    assert "not empty" in refused(folder, "scene", "--seed", 7, "-o", written)


def test_export_webui_writes_a_checkpoint(folder: Path) -> None:
    said = succeeded("export-webui", folder / "models")
    assert str(folder / "models" / "papercut.safetensors") in said
    assert len(list((folder / "models").iterdir())) == 3


SHOW = ("show", "PHOTO", "red hat, neck", "-o", "OUT/out.png", "--model", "MODEL")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("show", "missing.png", "hat", "-o", "OUT/out.png"), "'missing.png'.*no such file"),
        (("show", "OUT", "hat", "-o", "OUT/out.png"), "it is a folder"),
        (("show", "MODEL/model_index.json", "hat", "-o", "OUT/out.png"), "not an image"),
        (("show", "PHOTO", "", "-o", "OUT/out.png"), "prompt '' has no words"),
        (("show", "PHOTO", " \t", "-o", "OUT/out.png"), "has no words"),
        (("show", "PHOTO", "-o", "OUT/out.png"), "no prompt was given"),
        (("show", "PHOTO", "hat"), "Missing option '--output'"),
        (("show", "PHOTO", "hat", "-o", "OUT/out"), r"suffix is ''; end it in one of .png"),
        (("show", "PHOTO", "hat", "-o", "OUT/a/out.png"), "no folder"),
        (
            ("show", "PHOTO", "hat", "-o", "OUT/out.png", "--save", "OUT/maps.zip"),
            "end the file name in .npz",
        ),
        (("show", "PHOTO", "hat", "-o", "OUT/out.png", "--maps", "OUT/maps.npz"), "no file"),
        ((*SHOW, "--words", "hta"), "word 'hta' is not in the prompt; did you mean hat"),
        ((*SHOW, "--words", "hat", "--tokens", "1"), "both words 'hat' and tokens '1'"),
        ((*SHOW, "--tokens", "77"), "index 77 .* out of range; .* to 76"),
        ((*SHOW, "--tokens=-1"), "negative"),
        ((*SHOW, "--tokens", "5-3"), "reversed; write 3-5"),
        ((*SHOW, "--tokens", "a"), "'a'"),
        ((*SHOW, "--tokens", "1,,3"), "empty entry"),
        ((*SHOW, "--tokens", "1-"), "without an end"),
        ((*SHOW, "--sites", "OUT77"), "'OUT77'.*IN01"),
        ((*SHOW, "--heads", "9"), "'9'.*from 0 to 1"),
        ((*SHOW, "--heads", "first"), "'first'"),
        ((*SHOW, "--mode", "heat"), "'heat'; choose one of masked, grey"),
        ((*SHOW, "--timestep", "-1"), "timestep -1 .* of 0 or more"),
        ((*SHOW, "--timestep", "1000"), "timestep 1000 .* 0 to 999"),
        ((*SHOW, "--against", "neck"), "'masked' compares nothing"),
        ((*SHOW, "--mode", "difference", "--against", "hta"), "'hta' is not in the prompt"),
        ((*SHOW, "--timesteps", "1, 2"), "'masked' shows one timestep; choose mode timesteps"),
        ((*SHOW, "--mode", "timesteps", "--timesteps", "1, x"), "'x' is not a whole number from 0 to 999"),
        ((*SHOW, "--mode", "timesteps", "--save", "OUT/maps.npz"), "leave --save out of mode timesteps"),
        ((*SHOW, "--mode", "timesteps", "--masks", "OUT/masks"), "leave --masks out of mode timesteps"),
        ((*SHOW, "--edges"), "--edges is for masks, and none are written; give --masks FOLDER too"),
        ((*SHOW, "--timestep", "NaN"), "--timestep.*'NaN'"),
        ((*SHOW, "--noise", "some"), "noise 'some' .*none, matched"),
        ((*SHOW, "--seed", "-1"), "seed -1"),
        ((*SHOW, "--max-side", "0"), "max_side 0"),
        ((*SHOW, "--opacity", "2"), "opacity 2.0 .* 0 to 1"),
        ((*SHOW, "--threshold", "nan"), "threshold nan .* 0 to 1"),
        ((*SHOW, "--colormap", "jet"), "'jet' is unknown; choose one of inferno, magma, viridis"),
        ((*SHOW, "--resample", "cubic"), "'cubic'.*bicubic, nearest"),
        ((*SHOW, "--normalize", "sum"), "'sum'.*max, minmax, absolute, original"),
        ((*SHOW, "--device", "abacus"), "'abacus'; choose one of auto, cpu"),
        (("app", "--model", "nowhere"), "there is no model at 'nowhere'"),
        (("app", "--models", "nowhere"), "there is no folder 'nowhere'"),
        (("app", "--device", "abacus"), "'abacus'; choose one of auto, cpu"),
        ((*SHOW, "--dtype", "half"), "dtype 'half' .*auto, fp32, fp16, bf16"),
        ((*SHOW, "--device", "cpu", "--dtype", "fp16"), "dtype fp16 is for a GPU"),
        ((*SHOW, "--device", "cpu", "--offload", "model"), "offload 'model' .* is a CPU"),
        ((*SHOW, "--frobnicate"), "--frobnicate; see vxa show --help"),
        ((*SHOW, "--words"), "'--words' requires an argument; see vxa show --help"),
        ((*SHOW[:5], "--model", "no/such/model"), "'no/such/model'"),
        ((*SHOW[:5], "--model", "OUT"), "no model_index.json"),
        ((*SHOW[:5], "--model", "weights.ckpt"), "pickle"),
        (("tokens", " "), "has no words"),
        (("tokens",), "Missing argument 'prompt'; give .*; see vxa tokens --help"),
        (("tokens", "red", "hat"), "extra argument.*hat.*; see vxa tokens --help"),
        (("sites", "--model", "nowhere"), "no model at 'nowhere'"),
        (("generate", "hat", "-o", "OUT/o.png", "--steps", "0"), "steps 0 .* 1 to 1000"),
        (("generate", "hat", "-o", "OUT/o.png", "--guidance", "nan"), "guidance nan"),
        (("generate", "hat", "-o", "OUT/o.png", "--seed", "-3"), "seed -3"),
        (("generate", "hat", "-o", "OUT/o.png", "--size", "7x9"), "'7x9' .*HEIGHTxWIDTH"),
        (("generate", "hat", "-o", "OUT/o.png", "--size", "big"), "'big'"),
        (("generate", "", "-o", "OUT/o.png"), "no words"),
        (("scene", "-o", "OUT/s", "--split", "exam"), "'exam'; choose one of train, dev, test"),
        (("scene", "-o", "OUT/s", "--seed", "x"), "--seed.*'x'"),
        (("scene", "-o", "OUT/a/s.png"), "no folder"),
        (("scene", "-o", "OUT/a/s"), "no folder"),
        (("export-webui", "PHOTO"), "is a file"),
        (("export-webui",), "Missing argument"),
        (
            ("shwo",),
            "'shwo'.* commands are app, show, trace, attribute, compare, .*export-webui",
        ),
        (("--frobnicate",), "--frobnicate"),
    ],
)
def test_a_user_error_is_one_line_and_leaves_nothing(
    model: str, photo: str, folder: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(folder)
    places = {"PHOTO": photo, "OUT": str(folder), "MODEL": model}
    filled = [re.sub(r"^(PHOTO|OUT|MODEL)\b", lambda match: places[match[0]], arg) for arg in args]
    assert re.search(said, refused(folder, *filled)), said


def test_a_defect_keeps_its_traceback(photo: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import vxa.models

    def broken(source: object, **settings: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(vxa.models, "load", broken)
    result = vxa_command("show", photo, "hat", "-o", folder / "out.png")
    assert result.exit_code == 1
    assert isinstance(result.exception, ZeroDivisionError)


def test_a_failed_picture_takes_its_maps_along(
    model: str, photo: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    args = ("show", photo, "hat", "--model", model, "-o", folder / "out.png", "--save", folder / "maps.npz")
    assert "No space left" in refused(folder, *args)


def test_maps_that_another_program_has_open_hide_no_error(
    model: str, photo: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    def in_use(path: Path, missing_ok: bool = False) -> None:
        if path.suffix in (".npz", ".json"):
            raise PermissionError(13, "The process cannot access the file")
        os.remove(path)

    monkeypatch.setattr(Image.Image, "save", full)
    monkeypatch.setattr(Path, "unlink", in_use)
    result = vxa_command(
        "show", photo, "hat", "--model", model, "-o", folder / "out.png", "--save", folder / "maps.npz"
    )
    assert (result.exit_code, result.stdout) == (2, "")
    assert "No space left" in result.stderr


def test_no_command_shows_the_help() -> None:
    assert succeeded() == succeeded("--help")
    assert vxa.__version__ in succeeded("--version")


def test_noise_is_kept_from_the_terminal_unless_something_breaks(capfd: pytest.CaptureFixture[str]) -> None:
    def noisy(error: Exception | None) -> None:
        with quiet():
            warnings.warn("third party", stacklevel=1)
            sys.stderr.write("a log line\n")
            sys.stdout.write("a bar\n")
            if error:
                raise error

    noisy(None)
    with pytest.raises(SettingError):
        noisy(SettingError("all is said"))
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ZeroDivisionError):
        noisy(ZeroDivisionError())
    assert "a log line" in capfd.readouterr().err


def test_columns_line_up_wide_letters() -> None:
    assert columns(("a", "b"), ("帽子", 1)).splitlines() == ["a     b", "帽子  1"]


@pytest.mark.slow
def test_the_installed_command(model: str, photo: str, folder: Path) -> None:
    """A real process: nothing but the summary on stdout, nothing on stderr, the status as promised."""
    code = "from vxa.cli.main import main; main()"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def run(*args: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    good = run("show", photo, "red hat, neck", "--words", "hat", "--model", model, "-o", folder / "hat.png")
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("tokens")
    bad = run("show", photo, "red hat, neck", "--words", "hta", "--model", model, "-o", folder / "hta.png")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert re.fullmatch(r"vxa: word 'hta' is not in the prompt[^\n]*\n", bad.stderr)
    assert os.listdir(folder) == ["hat.png"]


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp1252", "cp437"])
def test_a_terminal_that_cannot_encode_a_prompt(encoding: str) -> None:
    """Pipes and older consoles of Windows have eight bits a letter."""

    def run(*args: str) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
        return subprocess.run(
            [sys.executable, "-m", "vxa", *args], capture_output=True, env=environment, check=False
        )

    listed = run("tokens", "帽子 hat")
    assert listed.returncode == 0, listed.stderr
    assert b"\\u5e3d\\u5b50" in listed.stdout
    assert rb"papercut does not know \u5e3d\u5b50" in listed.stderr
    refused = run("show", "帽子.png", "hat", "-o", "hat.png")
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert refused.stderr.startswith(rb"vxa: cannot read image '\u5e3d\u5b50.png': there is no such file")
    assert run("--help").returncode == 0


COMMANDS = [command.name or command.callback.__name__ for command in app.registered_commands]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    documented = re.search(rf"\bvxa {command}\b", README.read_text("utf-8"))
    assert documented, f"README.md does not show `vxa {command}`"
