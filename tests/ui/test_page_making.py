"""Making an image in the page, in Chromium, over papercut: seen while it is painted, explored afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from PIL import Image
from support.accessibility import findings
from support.browser import (
    MARKS,
    box,
    chip,
    served,
    shown_picture,
    wait_until_shown,
)

import vxa
from vxa.generation.images import make_image
from vxa.generation.settings import GenerationSettings
from vxa.pictures.render import render
from vxa.tracing.generation import TracedCall
from vxa.ui.asked import Asked
from vxa.ui.local import STEP_BINS, local_backend
from vxa.ui.pages import Kept
from vxa.ui.together import drawn_together

pytestmark = MARKS
PROMPT = "a blue hat"


@pytest.fixture(scope="module")
def model() -> Iterator[Any]:
    """With several threads a pass of the page and one of the test may differ in the last bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield vxa.load("papercut")
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def made(model: Any) -> tuple[vxa.AttentionMaps, Image.Image]:
    """What the library makes of the prompt."""
    with vxa.trace(model, bins=STEP_BINS) as trace:
        image = make_image(model, PROMPT, GenerationSettings(seed=3))
    return trace.maps[0], image


@pytest.fixture(scope="module")
def gate() -> threading.Event:
    """What the painting waits for at its fifth step."""
    open_gate = threading.Event()
    open_gate.set()
    return open_gate


@pytest.fixture(scope="module")
def address(model: Any, gate: threading.Event) -> Iterator[str]:
    backend = local_backend(model, "papercut", (32, 32), ())
    assert backend.paint is not None

    def paint(prompt, seed, refine, progress, seen, **given):  # type: ignore[no-untyped-def]
        def told(fraction: float, what: str) -> None:
            progress(fraction, what)
            while what == "step 5 of 20" and not gate.wait(0.1):
                progress(fraction, f"{what}, waiting")
                progress(fraction, what)

        return local(prompt, seed, refine, told, seen, **given)

    local = backend.paint
    with served(lambda folder: replace(backend, paint=paint)) as address:
        yield address


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    from support.browser import opened

    with opened(browser, address, ready="#vxa_making") as page:
        page.fill("#vxa_prompt textarea", PROMPT)
        chip(page, "hat").wait_for()
        page.click("#vxa_making > button")
        page.fill("#vxa_seed input", "3")
        yield page


def begun(page: Any) -> None:
    page.click("#vxa_make")
    page.wait_for_selector("#vxa_live progress")
    page.wait_for_selector("#vxa_live :text('step 5 of 20')")
    page.wait_for_selector("#vxa_picture img")


def test_an_image_is_seen_while_it_is_painted_and_explored_without_the_model(
    page: Any, gate: threading.Event, model: Any, made: tuple[vxa.AttentionMaps, Image.Image]
):
    maps, image = made
    gate.clear()
    passes = []
    try:
        begun(page)
        assert float(page.get_attribute("#vxa_live progress", "value")) == pytest.approx(0.25)
        page.wait_for_timeout(1000)  # its last picture before it waits
        before, source = shown_picture(page), page.get_attribute("#vxa_picture img", "src")
        chip(page, "hat").click()
        page.wait_for_function(
            "source => !document.querySelector('#vxa_picture img').src.endsWith(source)", arg=source
        )
        assert shown_picture(page).tobytes() != before.tobytes()
        assert findings(page) == []
    finally:
        gate.set()
    wait_until_shown(page, render(maps, image, "overlay", tokens="3"), within=2)
    page.wait_for_selector("#vxa_live progress", state="detached")
    assert "traced over 20 steps while it was painted" in page.inner_text("#vxa_summary")
    watched = model.network.register_forward_pre_hook(lambda module, inputs: passes.append(1))
    chip(page, "blue").click()
    wait_until_shown(page, render(maps, image, "overlay", tokens="3, 2"), within=2)
    page.check("#vxa_mode input[value=timesteps]")
    wait_until_shown(page, render(maps.each_bin(), image, "timesteps", tokens="3, 2"), within=2)
    page.click("#vxa_sites input")
    page.click("[role=option]:has-text('· OUT04')")
    wait_until_shown(
        page, render(maps.each_bin(), image, "timesteps", tokens="3, 2", sites="OUT04"), within=4
    )
    page.click("#vxa_take > button")
    assert page.input_value("#vxa_command textarea").startswith(f'vxa trace "{PROMPT}" --seed 3 --bins 5')
    assert passes == []
    watched.remove()
    page.check("#vxa_mode input[value=overlay]")
    page.click("#vxa_press")
    page.wait_for_selector("#vxa_summary:has-text('one pass at timestep 50')")
    looked = vxa.visualize(model, image, PROMPT)
    wait_until_shown(page, render(looked, image, "overlay", tokens="3, 2", sites="OUT04"), within=2)
    assert not page.locator("#vxa_earlier [role=status]").count()


def test_an_image_is_stopped_and_the_page_is_as_it_was(page: Any, gate: threading.Event, model: Any):
    gate.clear()
    try:
        begun(page)
        page.click("#vxa_stop")
        page.wait_for_selector("#vxa_message [role=alert]:has-text('stopped')")
    finally:
        gate.set()
    page.wait_for_selector("#vxa_picture img", state="detached")
    page.wait_for_selector("#vxa_live progress", state="detached")
    hooks = [part._forward_hooks for part in model.network.modules()]
    assert not any(hooks)


def test_refining_is_traced_when_it_is_on(page: Any, model: Any):
    page.check("#vxa_refine input")
    page.check("#vxa_mode input[value=contour]")
    box(page).fill("3")
    page.click("#vxa_make")
    page.wait_for_selector("#vxa_summary:has-text('traced over')")
    with vxa.trace(model, bins=STEP_BINS, self_attention=True) as trace:
        image = make_image(model, PROMPT, GenerationSettings(seed=3))
    wait_until_shown(page, render(trace.maps[0], image, "contour", tokens="3", refine=True), within=2)
    page.uncheck("#vxa_refine input")
    wait_until_shown(page, render(trace.maps[0], image, "contour", tokens="3"), within=2)


def test_what_the_maps_could_not_answer_is_refused_before_the_first_step(page: Any, model: Any):
    passes: list[int] = []
    watched = model.network.register_forward_pre_hook(lambda module, inputs: passes.append(1))
    said = page.locator("#vxa_message [role=alert]")
    try:
        page.locator("#vxa_heads textarea, #vxa_heads input").fill("0")
        page.click("#vxa_make")
        said.filter(has_text="the mean over heads alone is kept").wait_for()
        page.locator("#vxa_heads textarea, #vxa_heads input").fill("mean")
        box(page).fill("99")
        page.click("#vxa_make")
        said.filter(has_text="index 99 in '99' is out of range").wait_for()
    finally:
        watched.remove()
    assert passes == []
    assert page.locator("#vxa_image img").count() == page.locator("#vxa_picture img").count() == 0


def test_an_image_stays_when_its_trace_fails_and_is_looked_at_next(
    page: Any, monkeypatch: pytest.MonkeyPatch, model: Any, made: tuple[vxa.AttentionMaps, Image.Image]
):
    end_pass = TracedCall.end_pass

    def failing(call: TracedCall) -> None:
        if call.passes == 8:
            raise vxa.RecordingError("the sky fell")
        end_pass(call)

    monkeypatch.setattr(TracedCall, "end_pass", failing)
    box(page).fill("3")
    page.click("#vxa_make")
    said = "the image was made, but not its maps: the sky fell"
    page.wait_for_selector(f"#vxa_message [role=alert]:has-text('{said}')")
    monkeypatch.undo()
    assert "made, not traced" in page.inner_text("#vxa_summary")
    page.wait_for_selector("#vxa_live progress", state="detached")
    page.wait_for_selector("#vxa_image img")
    wait_until_shown(page, made[1], within=2)
    page.click("#vxa_press")
    page.wait_for_selector("#vxa_summary:has-text('one pass at timestep 50')")
    looked = vxa.visualize(model, made[1], PROMPT)
    wait_until_shown(page, render(looked, made[1], "overlay", tokens="3"), within=2)
    page.wait_for_selector("#vxa_message [role=alert]", state="detached")


def test_a_prompt_is_edited_and_source_and_target_are_shown_and_explored(
    page: Any, monkeypatch: pytest.MonkeyPatch, model: Any
):
    prompts, steps = (PROMPT, "a red scarf"), 2
    monkeypatch.setattr("vxa.ui.local.GenerationSettings", partial(GenerationSettings, steps=steps))
    page.click("#vxa_control input")
    page.click("[role=option]:has-text('Edit the prompt')")
    page.fill("#vxa_target textarea", prompts[1])
    page.fill("#vxa_cross_until input[type=number]", "0.5")
    assert page.locator("#vxa_prompts, #vxa_words").count() == 0  # of the other controls
    assert findings(page) == []
    chip(page, "hat").click()
    page.click("#vxa_make")
    pictures = page.locator("#vxa_together .thumbnail-item img")
    pictures.nth(1).wait_for()
    made = vxa.generate(
        model,
        prompts,
        seed=3,
        steps=steps,
        controls=[vxa.steering.PromptToPrompt(cross_until=0.5)],
        trace={"bins": STEP_BINS},
    )
    both = tuple(Kept(image, "", maps) for image, maps in zip(made.images, made.maps, strict=True))
    wanted = drawn_together(replace(both[0], batch=both), Asked("3"))
    wait_until_shown(page, wanted, within=2)
    assert (pictures.count(), page.locator("#vxa_message [role=alert]").count()) == (2, 0)
    assert findings(page) == []
    pictures.nth(1).click()
    chip(page, "scarf").and_(page.locator("[aria-pressed=true]")).wait_for()
    assert page.input_value("#vxa_prompt textarea") == prompts[1]
    page.wait_for_selector("#vxa_summary:has-text('a red scarf')")
    wait_until_shown(page, wanted, within=2)
    chip(page, "red").click()
    chip(page, "scarf").click()
    wait_until_shown(page, drawn_together(replace(both[1], batch=both), Asked("2")), within=2)
    assert not page.locator("#vxa_earlier [role=status]").count()
