"""Models that are loaded while the page is up: waiting, exchanging, errors, and what is freed."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.tiny_models import make_sd_pipeline, make_sdxl_pipeline

from vxa.errors import ModelError, SettingError
from vxa.models.choices import ModelChoice
from vxa.models.settings import LoadSettings
from vxa.ui import strings
from vxa.ui.choosing import status_html
from vxa.ui.downloads import Downloads
from vxa.ui.handlers import Handlers
from vxa.ui.loading import ModelLoader
from vxa.ui.local import choosing_backend
from vxa.ui.stopping import Stopped

PATIENCE = 120  # seconds; no test measures time


@pytest.fixture(scope="module")
def choices(tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelChoice, ...]:
    """SD's shape, SDXL's, and a folder whose UNet is cut short."""
    folder = tmp_path_factory.mktemp("models")
    for name, make in (("sd", make_sd_pipeline), ("xl", make_sdxl_pipeline), ("broken", make_sd_pipeline)):
        make(tokenizer_folder).save_pretrained(folder / name)
    (weights,) = (folder / "broken" / "unet").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:3000])
    return tuple(ModelChoice(name, str(folder / name)) for name in ("sd", "xl", "broken"))


@pytest.fixture
def loader(choices: tuple[ModelChoice, ...]) -> ModelLoader:
    return ModelLoader(choices, LoadSettings(device="cpu"), "sd")


@pytest.fixture
def handlers(loader: ModelLoader, tmp_path: Path) -> Handlers:
    return Handlers(choosing_backend(loader, loader.slot, ()), Downloads(tmp_path / "given away"))


@pytest.fixture
def photo(tmp_path: Path) -> str:
    path = tmp_path / "photo.png"
    Image.effect_noise((24, 40), 90).save(path)
    return str(path)


def wait_until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(PATIENCE * 50):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("it did not come about")


def load(loader: ModelLoader, name: str) -> None:
    """Choose the model and wait until nothing is being loaded."""
    loader.choose(name)
    wait_until(lambda: not loader._is_working)


def test_a_request_waits_for_the_first_model_and_says_so(handlers: Handlers, loader: ModelLoader, photo: str):
    told: list[str] = []

    def progress(fraction: float, what: str) -> None:
        if not told:
            loader.choose("sd")  # the page is up, and its first request is here already
        told.append(what)

    assert handlers.chips("hat, neck").count("<button") == 0
    assert handlers.current_sites(None, None).sites == handlers.backend.sites  # type: ignore[union-attr]
    looked = handlers.run("mine", photo, "hat, neck", 1, "none", progress=progress)
    assert told[0] == strings.loading("sd", 0, 0)
    assert told[-1] == strings.DONE
    assert "· one pass at timestep 1" in looked.summary
    assert handlers.chips("hat, neck").count("<button") == 6


def test_a_request_that_waits_can_be_stopped(handlers: Handlers, photo: str):
    with pytest.raises(Stopped):
        handlers.run("mine", photo, "hat", 1, "none", progress=lambda *told: handlers.stop("mine"))


def test_another_model_takes_its_place_with_all_that_depends_on_it(
    handlers: Handlers, loader: ModelLoader, photo: str
):
    load(loader, "sd")
    handlers.run("mine", photo, "hat", 1, "none")
    before = handlers.facts
    assert handlers.earlier("mine", photo, "hat", 1, "none") == ""
    former = weakref.ref(loader.slot.loaded.model.network)  # type: ignore[union-attr]
    load(loader, "xl")
    gc.collect()
    assert former() is None
    assert (loader.status.model, loader.status.loading, loader.status.problem) == ("xl", "", "")
    assert loader.status.placed == "fp32 on the CPU"
    assert handlers.facts.model != before.model
    assert handlers.facts.sites != before.sites
    offered = handlers.current_sites("mine", before.sites[-1])
    assert offered.sites == handlers.facts.sites  # type: ignore[union-attr]
    assert f"still of model {before.model}" in handlers.earlier("mine", photo, "hat", 1, "none")
    looked = handlers.run_timesteps("mine", photo, "hat", 1, "none", "1, 500")
    kept = handlers.pages.get("mine")
    assert {maps.provenance.model for maps in (kept.maps, *kept.passes)} == {handlers.facts.model}
    assert "timesteps 1, 500" in looked.summary
    assert f"--model {handlers.facts.model}" in handlers.command("mine", _asked())[0]


def _asked() -> Any:
    from vxa.ui.asked import Asked

    return Asked()


def test_a_request_finishes_with_the_model_that_it_began_with(
    handlers: Handlers, loader: ModelLoader, photo: str
):
    load(loader, "sd")
    passes: list[str] = []

    def progress(fraction: float, what: str) -> None:
        if not passes:
            loader.choose("xl")
            wait_until(lambda: loader.status.loading == strings.placing("xl"))
        passes.append(what)

    first = handlers.facts.model
    handlers.run_timesteps("mine", photo, "hat", 1, "none", "1, 300, 500", progress=progress)
    kept = handlers.pages.get("mine")
    assert {maps.provenance.model for maps in kept.passes} == {first}
    assert len(kept.passes) == 3
    wait_until(lambda: not loader._is_working)
    assert loader.status.model == "xl"
    assert handlers.facts.model != first


def test_an_error_of_loading_is_one_sentence_and_the_former_model_stays(
    handlers: Handlers, loader: ModelLoader, photo: str
):
    load(loader, "sd")
    stays = loader.slot.loaded
    load(loader, "broken")
    status = loader.status
    assert (status.model, status.placed, status.loading) == ("sd", "fp32 on the CPU", "")
    assert "cannot load a model from broken (" in status.problem
    assert '<p role="alert">cannot load a model from' in status_html(status)
    assert "sd · fp32 on the CPU" in status_html(status)
    assert loader.slot.loaded is stays
    handlers.run("mine", photo, "hat", 1, "none")
    load(loader, "sd")
    assert loader.status.problem == ""


def test_without_any_model_a_request_says_why(handlers: Handlers, loader: ModelLoader, photo: str):
    load(loader, "broken")
    assert "<progress" not in status_html(loader.status)
    for ask in (
        lambda: handlers.run("mine", photo, "hat", 1, "none"),
        lambda: handlers.paint("mine", "hat", 0),
    ):
        with pytest.raises(ModelError, match="cannot load a model from"):
            ask()


def test_the_model_that_is_chosen_last_is_loaded(loader: ModelLoader, monkeypatch: pytest.MonkeyPatch):
    read: list[str] = []
    reading, chosen = threading.Event(), threading.Event()

    def find(source: str) -> Any:
        from vxa.models import find_model

        def wait(dtype: Any, advance: Any) -> Any:
            read.append(Path(source).name)
            if len(read) == 1:
                reading.set()
                assert chosen.wait(PATIENCE)
            return find_model(source)(dtype, advance)

        return wait

    monkeypatch.setattr("vxa.ui.loading.find_model", find)
    loader.choose("sd")
    assert reading.wait(PATIENCE)
    loader.choose("broken")
    loader.choose("xl")
    chosen.set()
    wait_until(lambda: not loader._is_working)
    assert read == ["sd", "xl"]
    assert (loader.status.model, loader.status.problem) == ("xl", "")


@pytest.mark.parametrize("name", ["nowhere", "../sd", "/etc/passwd", "", None])
def test_only_a_listed_name_is_taken(name: Any, loader: ModelLoader, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vxa.ui.loading.find_model", lambda source: pytest.fail("it was looked up"))
    with pytest.raises(SettingError, match=r"there is no model .* to choose; choose one of sd, xl, broken"):
        loader.choose(name)
    assert not loader._is_working


def test_a_model_that_does_not_fit_gives_the_device_back(
    loader: ModelLoader, monkeypatch: pytest.MonkeyPatch
):
    """As on a GPU: the former model is off the device while the new one is placed."""
    from vxa.models.placement import Placement

    moves: list[tuple[str, str]] = []

    def place(self: Placement, pipeline: Any) -> None:
        moves.append(("on", type(pipeline).__name__))
        if "XL" in type(pipeline).__name__:
            raise SettingError("device 'cuda' cannot be used (out of memory)")

    monkeypatch.setattr(Placement, "place", place)
    monkeypatch.setattr(
        Placement, "displace", lambda self, pipeline: moves.append(("off", type(pipeline).__name__))
    )
    load(loader, "sd")
    load(loader, "xl")
    plain, xl = "StableDiffusionPipeline", "StableDiffusionXLPipeline"
    assert moves == [("on", plain), ("off", plain), ("on", xl), ("on", plain)]
    assert "out of memory" in loader.status.problem
    assert loader.slot.loaded.name == "sd"  # type: ignore[union-attr]
