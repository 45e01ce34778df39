"""`vxa invert` and `vxa edit`, with a tiny random model in a folder."""

from __future__ import annotations

import warnings
from pathlib import Path

import diffusers
import pytest
from PIL import Image
from support.tiny_models import make_sd_pipeline
from typer.testing import CliRunner, Result

import vxa
from vxa.cli.main import app
from vxa.steering import FromTrajectory, PromptToPrompt, Trajectory

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SMALL = ("--steps", 2, "--guidance", 4)


@pytest.fixture(scope="module")
def model(tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model folder with another scheduler than DDIM's."""
    folder = tmp_path_factory.mktemp("model")
    pipeline = make_sd_pipeline(tokenizer_folder)
    pipeline.scheduler = diffusers.EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def photo(tmp_path: Path, picture: Image.Image) -> Path:
    """37 rows by 21 columns: no multiple of what the model wants."""
    picture.crop((0, 0, 21, 37)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def vxa_command(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


@pytest.mark.parametrize("method", ["ddim", "edit-friendly"])
def test_an_inversion_is_that_of_the_library(method: str, model: str, photo: Path, tmp_path: Path) -> None:
    path = tmp_path / "hat.safetensors"
    result = vxa_command(
        "invert", photo, "a red hat", "--method", method, *SMALL, "--model", model, "-o", path
    )
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == [
        "trajectory", str(path), "method", method, "steps", "2", "latents", "20x12"
    ]  # fmt: skip
    assert "vxa: the model's EulerDiscreteScheduler was exchanged for DDIM's" in result.stderr
    expected = vxa.invert(_with_ddim(model), photo, "a red hat", method=method, steps=2, guidance=4)
    read = Trajectory.read(path)
    assert read.levels == expected.levels
    assert float((read.latents - expected.latents).abs().max()) < 1e-5


def test_an_edit_is_source_and_target_side_by_side(model: str, photo: Path, tmp_path: Path) -> None:
    result = vxa_command(
        "edit", photo, "a red hat", "a red neck", *SMALL, "--self-until", 0.5, "--local-blend", "hat",
        "--model", model, "-o", tmp_path / "pair.png",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "direct" in result.stdout
    pair = Image.open(tmp_path / "pair.png")
    assert pair.size == (2 * 21 + 8, 37)
    loaded = _with_ddim(model)
    path = vxa.invert(loaded, photo, "a red hat", method="direct", steps=2, guidance=4)
    controls = [FromTrajectory(path), PromptToPrompt(self_until=0.5, local_blend="hat")]
    made = vxa.generate(loaded, ["a red hat", "a red neck"], steps=2, guidance=4, controls=controls)
    for image, left in zip(made.images, (0, 29), strict=True):
        shown = pair.crop((left, 0, left + 21, 37)).convert("RGB")
        assert list(shown.getdata()) == list(path.crop(image).getdata())


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ("invert", "photo.png", "a hat", "-o", "hat.pt"),
            "cannot write 'hat.pt': end the file name in .saf",
        ),
        (("invert", "photo.png", " ", "-o", "hat.safetensors"), "the prompt ' ' has no words"),
        (("invert", "none.png", "a hat", "-o", "hat.safetensors"), "cannot read image 'none.png'"),
        (("edit", "photo.png", "a hat", " ", "-o", "pair.png"), "the prompt ' ' has no words"),
        (("edit", "photo.png", "a hat", "a neck", "-o", "pair.txt"), "cannot write image 'pair.txt'"),
        (
            ("edit", "photo.png", "a hat", "a neck", "--cross-until", "2", "-o", "pair.png"),
            "cross_until 2.0 is",
        ),
        (("edit", "photo.png", "a hat", "a neck", "--method", "x", "-o", "p.png"), "method 'x' is unknown"),
        (
            ("edit", "photo.png", "a hat", "-o", "pair.png"),
            "Missing argument 'target'; give what it is to show",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_before_a_model_is_loaded(
    args: tuple[str, ...], message: str, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photo.parent)
    result = vxa_command(*args, "--model", "nowhere/at-all")
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert [each.name for each in photo.parent.iterdir()] == ["photo.png"]


def _with_ddim(model: str) -> object:
    from vxa.models.loading import set_ddim

    loaded = vxa.load(model)
    assert set_ddim(loaded) == "EulerDiscreteScheduler"
    assert set_ddim(loaded) == ""
    return loaded
