"""From the webui's images to the tab, and from the tab to the outputs folder."""

from __future__ import annotations

import importlib
import json
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from support.fake_host import FakeHost

from vxa.errors import SettingError
from vxa.io.infotext import Infotext, parse_infotext, read_infotext
from vxa.models.ldm.config import MODEL_KEY
from vxa.ui.anchor import anchor_of
from vxa.ui.recorded import ENTRIES

pytest.importorskip("gradio", reason='gradio is not installed: pip install ".[app]"')

PROMPT = "a red hat, in a saved style"
TEXT = f"{PROMPT}\nNegative prompt: blurry\nSteps: 4, Sampler: Euler a, Seed: 41, Size: 64x64"
NO_WORDS = {"vxa_indices": "", "vxa_against": ""}


@pytest.fixture
def page(host: FakeHost) -> Any:
    return importlib.import_module("vxa.webui.host.send_to")


@pytest.fixture
def files(host: FakeHost) -> Any:
    return importlib.import_module("vxa.webui.host.files")


@pytest.fixture
def connected(host: FakeHost, page: Any) -> Any:
    """The fake webui's pasting, with the tab's fields registered."""
    controls = ["vxa_image", "vxa_prompt", "vxa_anchor", *(entry.control for entry in ENTRIES)]
    tab = SimpleNamespace(blocks=dict(enumerate(SimpleNamespace(elem_id=name) for name in controls)))
    host.pasting.callbacks.append(page.keep_prompt)
    page.SendButtons().connect(tab)
    return host.pasting


def listed(*texts: str) -> str:
    return json.dumps({"infotexts": list(texts), "index_of_first_image": 0})


@pytest.mark.parametrize(
    ("told", "index", "wanted"),
    [
        (listed("grid", TEXT), "1", TEXT), (listed(TEXT), "-1", TEXT), (TEXT, "0", TEXT),
        (listed(TEXT), "7", "\n"), (listed("no parameters"), "0", "\n"), ("", "0", "\n"), (None, None, "\n"),
        ("[1]", "0", "\n"), (listed(TEXT), "x", "\n"),
        ('{"a": "' + TEXT.replace("\n", " ") + '"}', "0", "\n"),
    ],
)  # fmt: skip
def test_the_text_of_the_image_that_is_chosen(page: Any, told: Any, index: Any, wanted: str) -> None:
    assert page._text_of(None, told, index) == wanted


def test_an_image_that_the_page_knows_nothing_of_tells_it_itself(page: Any, tmp_path: Any) -> None:
    info = PngInfo()
    info.add_text("parameters", TEXT)
    Image.new("RGB", (8, 8)).save(tmp_path / "image.png", pnginfo=info)
    item = {"name": str(tmp_path / "image.png"), "is_file": True}
    assert page._text_of(item, listed(), "0") == TEXT
    assert page._text_of([item], "", "0") == TEXT
    assert page._text_of({"name": "/etc/passwd", "is_file": True}, "", "0") == "\n"


def test_pasting_gives_prompt_and_seed_and_leaves_the_rest(connected: Any) -> None:
    wanted = {"vxa_prompt": PROMPT, "vxa_anchor": anchor_of(PROMPT), "vxa_noise_seed": 41, **NO_WORDS}
    assert connected.pasted("vxa", TEXT) == wanted


def test_an_image_without_parameters_changes_nothing_but_the_image(connected: Any, page: Any) -> None:
    assert connected.pasted("vxa", page._text_of(None, "", "0")) == {}


def test_the_seed_stays_where_the_settings_say_so(host: FakeHost, connected: Any) -> None:
    host.opts.send_seed = False
    wanted = {"vxa_prompt": PROMPT, "vxa_anchor": anchor_of(PROMPT), **NO_WORDS}
    assert connected.pasted("vxa", TEXT) == wanted


def test_a_hidden_tab_is_sent_nothing(host: FakeHost, page: Any) -> None:
    host.opts.hidden_tabs = ["VXA"]
    page.SendButtons().connect(SimpleNamespace(blocks={}))
    buttons = page.SendButtons()
    buttons.add_component(SimpleNamespace(), elem_id="txt2img_gallery")
    assert (host.pasting.fields, host.pasting.bindings, buttons._components) == ({}, [], {})


def test_a_copy_that_cannot_be_used_makes_no_buttons(page: Any, tmp_path: Any) -> None:
    buttons = page.sending_of(str(tmp_path / "vxa-copy" / "scripts" / "vxa_tab.py"))
    buttons.add_component(SimpleNamespace(), elem_id="txt2img_gallery")
    assert not buttons._components


# To the outputs folder


def run(backend: Any, host: FakeHost, checkpoint: Any, picture: Image.Image) -> Any:
    from vxa.ui.downloads import Downloads
    from vxa.ui.handlers import Handlers

    host.model = checkpoint
    given = host.folder / "given.png"
    picture.save(given)
    handlers = Handlers(backend, Downloads(host.folder / "downloads"))
    handlers.run("mine", str(given), "a red hat", 300, "matched", seed=41)
    return handlers


def test_a_picture_is_saved_and_its_text_gives_the_tab_its_settings_back(
    host: FakeHost, backend: Any, checkpoint: Any, picture: Image.Image, connected: Any
) -> None:
    from vxa.ui.asked import Asked

    handlers = run(backend, host, checkpoint, picture)
    asked = Asked("2, 3", mode="contour", threshold=0.6)
    name = handlers.keep("mine", asked)
    assert name == "2026-01-31/00000-41-a red hat.png"
    path = host.folder / "outputs" / "vxa-images" / name
    with Image.open(path) as saved:
        assert saved.tobytes() == handlers.picture("mine", asked).tobytes()
        text = saved.info["parameters"]
    made = backend.made(str(path))
    assert made == read_infotext(path)
    assert (made.prompt, made.settings["VXA words"], made.settings["Model"]) == (
        "a red hat",
        "red, hat",
        "one",
    )
    got = connected.pasted("vxa", text)
    assert {name: got[name] for name in ("vxa_prompt", "vxa_noise_seed", "vxa_timestep", "vxa_noise")} == {
        "vxa_prompt": "a red hat", "vxa_noise_seed": 41, "vxa_timestep": 300, "vxa_noise": "matched",
    }  # fmt: skip
    assert (got["vxa_indices"], got["vxa_mode"], got["vxa_threshold"]) == ("2, 3", "contour", 0.6)


def test_the_settings_say_where_and_whether_by_itself(
    host: FakeHost, backend: Any, checkpoint: Any, picture: Image.Image
) -> None:
    from vxa.ui.asked import Asked

    assert backend.keeps_all() is False
    host.opts.vxa_keep_all, host.opts.vxa_folder = True, str(host.folder / "elsewhere")
    assert backend.keeps_all() is True
    name = run(backend, host, checkpoint, picture).keep("mine", Asked())
    assert (host.folder / "elsewhere" / name).is_file()
    host.opts.vxa_folder = "  "
    handlers = run(backend, host, checkpoint, picture)
    assert (host.folder / "outputs" / "vxa-images" / handlers.keep("mine", Asked())).is_file()


def test_a_folder_that_cannot_be_written_is_one_sentence(host: FakeHost, files: Any) -> None:
    (host.folder / "file").write_text("", "utf-8")
    made = Infotext("a hat", {"Seed": "1"})
    with pytest.raises(SettingError, match="could not save the picture"):
        files.save_picture(Image.new("RGB", (8, 8)), made, str(host.folder / "file"))


def test_a_prompt_is_no_path(host: FakeHost, files: Any) -> None:
    made = Infotext("../../../etc/passwd\\..", {"Seed": "1"})
    name = files.save_picture(Image.new("RGB", (8, 8)), made, str(host.folder / "outputs"))
    assert (host.folder / "outputs" / name).resolve().is_relative_to(host.folder / "outputs")


# The checkpoint's path


def known(host: FakeHost, name: str, filename: Any, **more: Any) -> None:
    info = SimpleNamespace(
        name_for_extra=name, filename=str(filename), is_safetensors=str(filename).endswith(".safetensors"),
        metadata={}, **more,
    )  # fmt: skip
    host.checkpoints[str(filename)] = info


def test_the_command_names_the_checkpoints_file_or_what_to_fill_in(host: FakeHost, files: Any) -> None:
    path = host.folder / "models" / "one.safetensors"
    known(host, "one", path)
    assert files.checkpoint_source("one") == "PATH/OF/one.safetensors"  # gone from the disk
    path.parent.mkdir()
    path.write_bytes(b"")
    assert files.checkpoint_source("one") == str(path)
    known(host, "pickled", host.folder / "pickled.ckpt")
    assert files.checkpoint_source("pickled") == "PATH/OF/pickled.safetensors"
    assert files.checkpoint_source("nobody's") == "PATH/OF/nobody's.safetensors"


def test_papercut_is_called_by_its_name(host: FakeHost, files: Any) -> None:
    known(host, "papercut", host.folder / "papercut.safetensors")
    host.checkpoints.popitem()[1].metadata[MODEL_KEY] = "papercut"
    known(host, "mine", host.folder / "mine.safetensors")
    next(iter(host.checkpoints.values())).metadata[MODEL_KEY] = "papercut"
    assert files.checkpoint_source("mine") == "papercut"


def test_what_is_no_image_says_nothing(files: Any, tmp_path: Any) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n")
    assert files.image_infotext(str(tmp_path / "broken.png")) is None
    assert parse_infotext(None) is None


def test_what_another_program_wrote_is_read_too(files: Any, tmp_path: Any) -> None:
    info = PngInfo()
    info.add_text("invokeai_metadata", '{"positive_prompt": "a red hat", "seed": 5}')
    Image.new("RGB", (6, 4)).save(tmp_path / "invoke.png", pnginfo=info)
    assert files.image_infotext(str(tmp_path / "invoke.png")) == Infotext("a red hat", {"Seed": "5"})
