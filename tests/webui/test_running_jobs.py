"""Jobs in a real webui: stopped within the model, shown while they run, many at once, many in a row."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps
from support.running import FIGURE, PROMPT, Webui, assert_the_same, refusal

import vxa

LEFT_BEHIND = ("hooks", "everywhere", "files")


@contextmanager
def held(webui: Webui) -> Iterator[None]:
    """A block during which the network's forward waits before its middle block."""
    webui.ask("probe/hold", {})
    try:
        yield
    finally:
        webui.ask("probe/release", {})


def left_behind(webui: Webui) -> dict[str, int]:
    state = webui.ask("probe/state")
    return {name: state[name] for name in LEFT_BEHIND}


def test_interrupt_ends_the_forward_that_is_running_and_what_waits_is_not_touched(
    papercut: Webui, standalone: vxa.AttentionMaps
) -> None:
    alone, before = papercut.txt2img(), left_behind(papercut)
    with ThreadPoolExecutor(2) as pool:
        with held(papercut):
            looking = pool.submit(refusal, lambda: papercut.look(FIGURE, PROMPT))
            assert papercut.ask("probe/held")
            shown = papercut.ask("sdapi/v1/progress?skip_current_image=true")
            waiting = pool.submit(papercut.txt2img)
            papercut.ask("sdapi/v1/interrupt", {})
        assert looking.result() == (422, "stopped; press again to start anew")
        assert waiting.result().tobytes() == alone.tobytes()
    assert papercut.ask("probe/went_on") is False
    assert (shown["state"]["job"], shown["state"]["job_count"]) == ("vxa", 1)
    assert (shown["state"]["sampling_step"], shown["state"]["sampling_steps"]) == (3, 3)
    assert 0.5 < shown["progress"] <= 1
    assert left_behind(papercut) == before
    assert papercut.ask("sdapi/v1/progress")["state"]["job"] == ""
    assert_the_same(papercut.look(FIGURE, PROMPT), standalone)


def test_the_tabs_own_stop_ends_the_forward_that_is_running(tab: Any, papercut: Webui) -> None:
    tab.set_input_files("#vxa_image input[type=file]", FIGURE)
    tab.wait_for_selector("#vxa_image img")
    tab.fill("#vxa_prompt textarea", PROMPT)
    tab.wait_for_selector("#vxa_tokens .vxa-chip-word")
    with held(papercut):
        tab.click("#vxa_press")
        assert papercut.ask("probe/held")
        with tab.expect_response(lambda answer: "/run/" in answer.url):
            tab.click("#vxa_stop")
    said = tab.wait_for_selector("#vxa_message [role=alert]").inner_text()
    assert said == "stopped; press again to start anew"
    assert papercut.ask("probe/went_on") is False


def test_sixteen_at_once_beside_a_generation_are_each_their_own(papercut: Webui, tmp_path: Path) -> None:
    figure = Image.open(FIGURE).convert("RGB").resize((128, 128))
    images = {"plain": figure, "mirror": ImageOps.mirror(figure), "flip": ImageOps.flip(figure),
              "grey": figure.convert("L").convert("RGB")}  # fmt: skip
    words = ("hat", "cat", "tree", "moon")
    for name, image in images.items():
        image.save(tmp_path / f"{name}.png")
    model = vxa.load("papercut")
    asked = [(tmp_path / f"{name}.png", word) for name in images for word in words]
    alone = papercut.txt2img(steps=10)
    with ThreadPoolExecutor(17) as pool:
        beside = pool.submit(papercut.txt2img, steps=10)
        found = [pool.submit(papercut.look, path, f"a red {word}") for path, word in asked]
        for (path, word), one in zip(asked, found, strict=True):
            assert_the_same(one.result(), vxa.visualize(model, path, f"a red {word}"), word)
        assert beside.result().tobytes() == alone.tobytes()


def test_two_hundred_in_a_row_leave_nothing_behind(papercut: Webui, tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    Image.open(FIGURE).convert("RGB").resize((96, 64)).save(path)
    given = {"image": base64.b64encode(path.read_bytes()).decode(), "prompt": PROMPT, "words": "hat"}
    for _ in range(20):
        papercut.ask("vxa/v1/visualize", given)
    before = papercut.ask("probe/state")
    for _ in range(200):
        papercut.ask("vxa/v1/visualize", {**given, "npz": True})
    after = papercut.ask("probe/state")
    assert {name: after[name] for name in LEFT_BEHIND} == {name: before[name] for name in LEFT_BEHIND}
    assert after["threads"] <= before["threads"] + 1  # one more of the server's own pool
    assert (after["memory"] - before["memory"]) / 1e6 <= 20


def test_an_answer_is_refused_to_nobody_while_another_is_refused(papercut: Webui) -> None:
    with ThreadPoolExecutor(2) as pool:
        wrong = pool.submit(refusal, lambda: papercut.look(FIGURE, "a hat AND a cat"))
        right = pool.submit(papercut.look, FIGURE, PROMPT)
        assert wrong.result()[0] == 422
        assert right.result().provenance.prompt == PROMPT
