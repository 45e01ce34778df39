"""The tab's backend during a webui's life: before a model is loaded, after failures, switches, interrupts."""

from __future__ import annotations

import ast
import importlib
import json
import runpy
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support import ROOT, TESTS
from support.fake_host import FakeHost

import vxa
from vxa.errors import ModelError, PromptError
from vxa.maps.settings import MaskSettings, Selection
from vxa.pictures.modes import MODES
from vxa.pictures.view import View
from vxa.settings import setting_of
from vxa.tracing.settings import PassSettings
from vxa.ui import strings
from vxa.ui.stopping import Stopped
from vxa.webui import strings as webui_strings
from vxa.webui.generation.options import PICTURES

SCRIPT = ROOT / "scripts" / "vxa_tab.py"
PROMPT = "a red hat"


def run(
    backend: Any, picture: Image.Image, prompt: str = PROMPT, told: Any = lambda fraction, what: None
) -> Any:
    return backend.run(picture, prompt, 1, "none", 0, told)


def hooks(model: Any) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


def test_the_backend_is_there_before_the_model_and_says_what_is_missing(
    host: FakeHost, backend: Any, picture: Image.Image
) -> None:
    with pytest.raises(ModelError, match="no checkpoint"):
        backend.tokenize(PROMPT)
    with pytest.raises(ModelError, match="no checkpoint"):
        run(backend, picture)
    assert backend.sites[0].startswith("default sites")
    assert host.events == ["begin vxa", "end"]


def test_it_looks_at_the_model_as_soon_as_there_is_one(
    host: FakeHost, backend: Any, picture: Image.Image, checkpoint: Any
) -> None:
    host.model = checkpoint
    maps = run(backend, picture)
    assert maps.provenance.model == "one"
    assert [word.text for word in maps.words] == ["a", "red", "hat"]
    assert maps.heat_map("hat").values.shape[0] > 0


def test_it_follows_a_switch_to_a_model_of_other_sites(
    host: FakeHost, backend: Any, picture: Image.Image, checkpoint: Any, another: Any
) -> None:
    host.model = checkpoint
    first = run(backend, picture)
    host.chosen = lambda: another
    second = run(backend, picture)
    assert (first.provenance.model, second.provenance.model) == ("one", "another")
    assert len(second.sites) > len(first.sites)
    assert hooks(checkpoint) == hooks(another) == 0


def test_a_checkpoint_that_cannot_be_loaded_is_one_sentence_and_the_next_one_works(
    host: FakeHost, backend: Any, picture: Image.Image, checkpoint: Any, another: Any
) -> None:
    def broken() -> Any:
        raise OSError("the header\nis too large")

    host.model, host.chosen = checkpoint, broken
    with pytest.raises(ModelError, match=r"could not load its checkpoint \(the header is too large\)"):
        run(backend, picture)
    with pytest.raises(ModelError, match="no checkpoint"):
        backend.tokenize(PROMPT)
    host.chosen = lambda: another
    assert run(backend, picture).provenance.model == "another"


def test_while_a_model_is_being_exchanged_tokens_are_refused(
    host: FakeHost, backend: Any, checkpoint: Any
) -> None:
    host.model = checkpoint
    del checkpoint.__dict__["cond_stage_model"]  # the webui removes its own text encoder meanwhile
    with pytest.raises(ModelError, match="loading a checkpoint"):
        backend.tokenize(PROMPT)


def test_the_lock_is_held_for_model_work_alone(
    host: FakeHost, backend: Any, picture: Image.Image, checkpoint: Any
) -> None:
    host.model = checkpoint
    asked = checkpoint.apply_model
    held: list[bool] = []

    def apply_model(*given: Any) -> Any:
        held.append(host.lock.held)
        return asked(*given)

    checkpoint.__dict__["apply_model"] = apply_model
    backend.tokenize(PROMPT)
    assert host.lock.taken == 0
    told: list[tuple[str, bool]] = []
    maps = run(backend, picture, told=lambda fraction, what: told.append((what, host.lock.held)))
    assert held == [True]
    assert [now for _, now in dict.fromkeys(told)] == [False, True, False]
    maps.heat_map("red").mask()
    assert host.lock.taken == 1


def test_a_second_request_waits_for_its_turn(
    host: FakeHost, backend: Any, picture: Image.Image, checkpoint: Any
) -> None:
    host.model = checkpoint
    answers: list[Any] = []
    told = threading.Event()
    with host.lock:  # a generation is going on
        other = threading.Thread(
            target=lambda: answers.append(run(backend, picture, told=lambda fraction, what: told.set()))
        )
        other.start()
        assert told.wait(60)
        assert (answers, host.events) == ([], [])
    other.join(60)
    assert len(answers) == 1


def test_after_an_exception_the_lock_is_free_and_nothing_is_left_behind(
    host: FakeHost, backend: Any, picture: Image.Image, checkpoint: Any
) -> None:
    def broken(*given: Any) -> Any:
        raise RuntimeError("CUDA out of memory")

    host.model = checkpoint
    checkpoint.lowvram = True
    checkpoint.__dict__["apply_model"] = broken
    with pytest.raises(RuntimeError, match="out of memory"):
        run(backend, picture)
    assert not host.lock.held
    assert host.events[-3:] == ["no networks", "to cpu", "end"]
    assert hooks(checkpoint) == 0
    del checkpoint.__dict__["apply_model"]
    assert run(backend, picture).provenance.model == "one"


def global_hooks() -> int:
    return len(torch.nn.modules.module._global_forward_pre_hooks)


@pytest.fixture
def in_the_middle(checkpoint: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function: calls its argument when the UNet's middle block runs, returns the list of blocks run."""

    def arrange(press: Any) -> list[str]:
        network, ran = checkpoint.model.diffusion_model, []
        middle, out = network.middle_block, network.output_blocks[0]
        for name, block in (("middle", middle), ("out", out)):
            monkeypatch.setattr(block, "forward", _noting(block.forward, ran, name, press))
        return ran

    return arrange


def _noting(forward: Any, ran: list[str], name: str, press: Any) -> Any:
    def noted(*given: Any) -> Any:
        ran.append(name)
        if name == "middle":
            press()
        return forward(*given)

    return noted


def test_interrupt_stops_it_before_it_begins(
    host: FakeHost, backend: Any, picture: Image.Image, checkpoint: Any
) -> None:
    host.model = checkpoint

    def pressed(fraction: float, what: str) -> None:
        host.state.interrupted = host.lock.held

    with pytest.raises(Stopped):
        run(backend, picture, told=pressed)
    assert (host.lock.held, host.state.job, host.state.interrupted) == (False, "", False)
    assert run(backend, picture).provenance.prompt == PROMPT


@pytest.mark.parametrize("name", ["interrupted", "skipped"])
def test_interrupt_ends_a_running_forward_and_leaves_nothing(
    host: FakeHost, backend: Any, picture: Image.Image, checkpoint: Any, in_the_middle: Any, name: str
) -> None:
    host.model = checkpoint
    checkpoint.lowvram = True
    whole, hooks_before = run(backend, picture), global_hooks()
    ran = in_the_middle(lambda: setattr(host.state, name, len(ran) == 1))
    with pytest.raises(Stopped):
        run(backend, picture)
    assert ran == ["middle"]
    assert (host.lock.held, host.state.job, getattr(host.state, name)) == (False, "", False)
    assert host.events[-3:] == ["no networks", "to cpu", "end"]
    assert (hooks(checkpoint), global_hooks()) == (0, hooks_before)
    assert (host.tasks.pending_tasks, host.tasks.current_task) == ({}, None)
    again = run(backend, picture)
    assert np.array_equal(again.heat_map("hat").values, whole.heat_map("hat").values)


def test_the_pages_own_stop_ends_a_running_forward(
    host: FakeHost, backend: Any, picture: Image.Image, checkpoint: Any, in_the_middle: Any
) -> None:
    host.model = checkpoint
    stopping = threading.Event()
    ran = in_the_middle(stopping.set)

    def told(fraction: float, what: str) -> None:
        if stopping.is_set():
            raise Stopped(strings.STOPPED)

    with pytest.raises(Stopped):
        run(backend, picture, told=told)
    assert (ran, host.lock.held, hooks(checkpoint)) == (["middle"], False, 0)


def test_what_was_stopped_while_it_waited_loads_no_checkpoint(
    host: FakeHost, backend: Any, picture: Image.Image, another: Any
) -> None:
    host.chosen = lambda: another
    with pytest.raises(Stopped):
        run(backend, picture, told=lambda fraction, what: stop_when(host.lock.held))
    assert host.events == ["begin vxa", "end"]


def stop_when(now: bool) -> None:
    if now:
        raise Stopped(strings.STOPPED)


def test_the_webuis_progress_shows_the_job(
    host: FakeHost, backend: Any, picture: Image.Image, checkpoint: Any, in_the_middle: Any
) -> None:
    host.model = checkpoint
    seen: list[Any] = []

    def look() -> None:
        state = host.state
        seen.append((state.job, state.job_count, state.sampling_step, state.sampling_steps, state.textinfo))

    in_the_middle(look)
    run(backend, picture)
    assert seen == [("vxa", 1, 3, 3, strings.LOOKING)]
    assert (host.state.job, host.state.job_count) == ("", 0)
    assert len(host.tasks.finished_tasks) == 1


def test_while_it_waits_it_is_one_of_the_webuis_tasks(
    host: FakeHost, backend: Any, picture: Image.Image, checkpoint: Any
) -> None:
    host.model = checkpoint
    waiting: list[list[str]] = []
    told = threading.Event()
    with host.lock:
        other = threading.Thread(target=run, args=(backend, picture, PROMPT, lambda *said: told.set()))
        other.start()
        assert told.wait(60)
        while not host.tasks.pending_tasks:
            time.sleep(0.01)
        waiting.append(list(host.tasks.pending_tasks))
    other.join(60)
    ((task,),) = waiting
    assert task.startswith("task(vxa-")
    assert (host.tasks.pending_tasks, host.tasks.finished_tasks) == ({}, [task])


# The sites that are offered


def test_the_sites_offered_are_those_of_the_model_of_the_moment(
    host: FakeHost, backend: Any, checkpoint: Any, another: Any
) -> None:
    assert backend.sites == (strings.DEFAULT_SITES, "all sites together · all")
    assert backend.current_sites() == ()
    host.model = checkpoint
    first = backend.current_sites()
    host.model = another
    second = backend.current_sites()
    assert first[0] == "default sites (all)"
    assert second[0] == "default sites (f4)"
    assert len(second) > len(first)
    assert host.lock.taken == 0


def test_the_default_sites_are_those_that_the_checkpoints_file_names(
    host: FakeHost, backend: Any, picture: Image.Image, another: Any
) -> None:
    host.model = another
    another.sd_checkpoint_info.metadata["vxa.default_sites"] = "f2,M00"
    assert backend.current_sites()[0] == "default sites (f2, M00)"
    assert run(backend, picture).default_sites == "f2,M00"
    for strange in ("OUT47", {"a": 1}, ""):  # metadata copied from another checkpoint
        another.sd_checkpoint_info.metadata["vxa.default_sites"] = strange
        assert run(backend, picture).default_sites == "f4"


def test_extra_networks_work_during_the_pass_and_are_no_words(
    host: FakeHost, backend: Any, picture: Image.Image, checkpoint: Any
) -> None:
    host.model = checkpoint
    maps = run(backend, picture, "a (red:1.5) hat<lora:ink:0.7>")
    assert [word.text for word in maps.words] == ["a", "red", "hat"]
    assert [token.weight for token in maps.tokens[:4]] == [1.0, 1.0, 1.5, 1.0]
    assert "lora: ink:0.7" in maps.provenance.notes
    order = [event for event in host.events if "networks" in event]
    assert order == ["networks lora", "no networks"]


@pytest.mark.parametrize(
    ("prompt", "said"),
    [("a hat AND a neck", "AND"), ("a [red:hat:0.5] neck", "from 'a red neck' to 'a hat neck'")],
)
def test_what_is_no_single_prompt_is_refused(
    host: FakeHost, backend: Any, picture: Image.Image, checkpoint: Any, prompt: str, said: str
) -> None:
    host.model = checkpoint
    with pytest.raises(PromptError, match=said):
        backend.tokenize(prompt)
    with pytest.raises(PromptError, match=said):
        run(backend, picture, prompt)


def test_the_script_registers_the_same_each_time_it_runs(host: FakeHost) -> None:
    runpy.run_path(str(SCRIPT))
    runpy.run_path(str(SCRIPT))  # Reload UI
    registered = [
        "on_ui_settings",
        "on_after_component",
        "on_infotext_pasted",
        "on_ui_tabs",
        "on_app_started",
    ]
    assert host.events == registered * 2


def test_a_script_defines_nothing_that_the_webui_would_register(host: FakeHost) -> None:
    defined = runpy.run_path(str(SCRIPT))
    assert not [name for name, value in defined.items() if isinstance(value, type)]


BUILD = """
import sys
sys.path.insert(0, {tests!r})
from support.fake_host import FakeHost
host = FakeHost()
host.opts.vxa_mode, host.opts.vxa_colormap, host.opts.vxa_threshold = "grey", "of long ago", 0.3
sys.modules.update(host.modules())
from vxa.webui.host.send_to import sending_of
from vxa.webui.tab import tabs
build = tabs({script!r}, sending_of({script!r}))
for _ in range(2):  # and after Reload UI
    ((blocks, title, name),) = build()
    components = list(blocks.blocks.values())
    print(title, name, len(components) > 20, all(one.do_not_save_to_config for one in components))
begun = {{one.elem_id: getattr(one, "value", None) for one in components}}
print(begun["vxa_mode"], begun["vxa_colormap"], begun["vxa_threshold"])
print(host.lock.taken, host.events)
"""


@pytest.mark.slow
def test_the_tab_is_the_panel_before_there_is_a_model() -> None:
    pytest.importorskip("gradio", reason='gradio is not installed: pip install ".[app]"')
    # In a process of its own, because gradio leaves a server's resources open.
    code = BUILD.format(tests=str(TESTS), script=str(SCRIPT))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["VXA vxa True True"] * 2 + ["grey inferno 0.3", "0 []"], done.stderr


def test_the_settings_page_asks_for_what_the_tab_begins_with(host: FakeHost) -> None:
    pytest.importorskip("gradio", reason='gradio is not installed: pip install ".[app]"')
    added: dict[str, Any] = {}
    host.opts.add_option = added.__setitem__
    settings = importlib.import_module("vxa.webui.settings")
    settings.add_settings()
    assert list(added) == [
        "vxa_sites", "vxa_mode", "vxa_colormap", "vxa_threshold", "vxa_noise", "vxa_keep_all", "vxa_folder",
    ]  # fmt: skip
    assert [name for name, one in added.items() if one.restrict_api] == ["vxa_folder"]
    assert added["vxa_folder"].given[0] == str(host.folder / "outputs" / "vxa-images")
    assert {one.section for one in added.values()} == {("vxa", "VXA")}
    assert settings.initial_values() == {
        "vxa_mode": "overlay", "vxa_colormap": "inferno", "vxa_threshold": 0.35, "vxa_noise": "matched",
    }  # fmt: skip


# Texts that never stand alone as a text, a title or a placeholder of the webui's page.
ELSEWHERE = {
    "TAB", "EXAMPLES_EMPTY", "EXAMPLES_HINT", "NO_GENERATE",  # of the app
    "NO_GRADIO", "UNREACHABLE", "NO_KEEPING", "MODEL", "LOADING",  # of the app
    "NOT_TRACED_REFINED", "ONE_HEAD", "PAINTING",  # of the app, whose model makes images
    "CONTROL", "CONTROL_INFO", "NO_CONTROL", "EDIT", "STYLE", "REWEIGHT", "TARGET", "TARGET_HINT", "TOGETHER",
    "FURTHER_PROMPTS", "FURTHER_PROMPTS_HINT", "FACTORS", "FACTORS_INFO",  # as are these
    "NO_TARGET", "SAME_TARGET", "NO_FURTHER_PROMPTS", "NO_FACTORS",  # and these
    "WEBUI_MODEL", "WRONG_PASSWORD", "NO_JSON", "NOT_BASE64",  # of the API
    "EARLIER_IMAGE", "DEFAULT_SITES", "ALL_SITES",  # parts of sentences
    "CHIPS", "AGAINST_CHIPS",  # aria-label and alt, which the webui does not translate
    "OTHER_CONDITIONING",  # the end of a sentence
    "FIRST_PASS", "SECOND_PASS", "NEGATIVE_TITLE", "STEPS_TITLE",  # drawn into pictures
    "AXIS_WORDS", "AXIS_SHOW", "AXIS_SITES",  # names that infotexts and requests use
}  # fmt: skip


def translations() -> dict[str, str]:
    found: dict[str, str] = json.loads((ROOT / "localizations" / "ja_JP.json").read_text("utf-8"))
    return found


def test_no_text_takes_the_name_of_another() -> None:
    body = [
        node
        for module in (strings, webui_strings)
        for node in ast.parse(Path(module.__file__).read_text("utf-8")).body
    ]
    named = [node.targets[0].id for node in body if isinstance(node, ast.Assign)]  # type: ignore[attr-defined]
    assert len(named) == len(set(named))


def schema_texts() -> set[str]:
    """Return the labels and helps of the settings that the page and the accordion show."""
    shown = {
        PassSettings: {"timestep": True, "noise": True, "seed": True},
        Selection: {"sites": False, "heads": True, "refine": True},
        MaskSettings: {"edges": True},
        View: {"opacity": False, "threshold": False, "colormap": False, "normalize": True, "resample": True},
    }
    facts = [
        (setting_of(kind, name), helped) for kind, names in shown.items() for name, helped in names.items()
    ]
    return {one.label for one, _ in facts} | {one.help for one, helped in facts if helped}


def test_every_text_that_the_webui_shows_is_in_japanese() -> None:
    translated = translations()
    both = {**vars(strings), **vars(webui_strings)}
    constants = {name: text for name, text in both.items() if isinstance(text, str) and name.isupper()}
    assert set(constants) >= ELSEWHERE
    shown = {text for name, text in constants.items() if name not in ELSEWHERE} | schema_texts()
    assert shown | {*MODES, *PICTURES, *strings.SPECIALS.values()} == set(translated)
    assert all(any(ord(letter) > 0x3000 for letter in text) for text in translated.values())


TEXTS = (
    BUILD
    + """
import json, re
said, labels = [], []
for one in components:
    if not getattr(one, "visible", True):
        continue
    config = one.get_config()
    own = [config.get(name) for name in ("info", "placeholder")]
    labels += [config["label"]] if config.get("label") else []
    own += [one.value] if one.get_block_name() == "button" else []
    own += re.split("<[^>]+>", one.value or "") if one.get_block_name() == "html" else []
    said += [text.strip() for text in own if text and text.strip()]
print(json.dumps([said, labels]))
"""
)


@pytest.mark.slow
def test_what_stands_in_the_tab_at_first_can_be_translated_and_labels_are_unique() -> None:
    pytest.importorskip("gradio", reason='gradio is not installed: pip install ".[app]"')
    code = TEXTS.format(tests=str(TESTS), script=str(SCRIPT))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    said, labels = json.loads(done.stdout.splitlines()[-1])
    assert len(said) > 10, done.stderr
    assert len(labels) > 20
    assert {*said, *labels} <= set(translations())
    assert strings.EMPTY in said  # the tab has no examples
    assert len(labels) == len(set(labels))


def test_a_second_copy_and_an_update_are_one_sentence(host: FakeHost, tmp_path: Path) -> None:
    installed = importlib.import_module("vxa.webui.installed")
    copy = tmp_path / "vxa-copy" / "scripts" / SCRIPT.name
    copy.parent.mkdir(parents=True)
    shutil.copy(SCRIPT, copy)
    own = Path(vxa.__file__).parents[1] / "scripts" / SCRIPT.name
    assert installed.problem(own) == ""
    assert "installed twice" in installed.problem(copy)
    assert str(tmp_path / "vxa-copy") in installed.problem(copy)


def test_an_update_on_disk_asks_for_a_restart(tmp_path: Path) -> None:
    root = Path(sys.modules["vxa"].__file__ or "").parents[1]
    extension = tmp_path / "vxa"
    (extension / "vxa" / "webui").mkdir(parents=True)
    module = shutil.copy(root / "vxa/webui/installed.py", extension / "vxa/webui/installed.py")
    loaded = runpy.run_path(str(module))
    assert loaded["problem"](extension / "scripts" / SCRIPT.name) == ""
    (extension / "vxa" / "new.py").write_text("", "utf-8")
    assert "restart the webui" in loaded["problem"](extension / "scripts" / SCRIPT.name)
