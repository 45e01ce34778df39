"""The seam, against functions that know as little as an older gradio, and against the gradio installed."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

gradio = pytest.importorskip("gradio", reason="gradio is not installed (the app extra)")

from vxa.ui.compat import MAJOR, component, listen, page_and_launch, plain  # noqa: E402


def test_a_component_is_given_what_it_knows():
    class Old:
        def __init__(self, label: str) -> None:
            self.label = label

    assert component(Old, label="Image", format="png").label == "Image"
    assert component(gradio.Image, format="png").format == "png"


def test_javascript_goes_by_the_name_that_the_event_knows():
    def older(fn, inputs, outputs, api_name, _js):  # type: ignore[no-untyped-def]
        return api_name, _js

    def newer(fn, inputs, outputs, api_visibility, js):  # type: ignore[no-untyped-def]
        return api_visibility, js

    assert listen(older, None, [], [], js="f", trigger_mode="once") == (False, "f")
    assert listen(newer, None, [], [], js="f") == ("private", "f")


def test_the_settings_of_the_page_go_where_this_gradio_takes_them():
    blocks, launch = page_and_launch(css="a", js="b", theme=None)
    assert {**blocks, **launch} == {"css": "a", "js": "b", "theme": None}
    assert (launch if MAJOR >= 6 else blocks).keys() == {"css", "js", "theme"}


def test_asterisks_of_a_help_are_no_marks_of_a_slant(monkeypatch: pytest.MonkeyPatch):
    slant = re.compile(r"\*(.+?)\*")  # as gradio 6.31 reads a help; its dot is no end of a line either
    monkeypatch.setattr("vxa.ui.compat.MAJOR", 6)
    assert slant.search("red*2, hat*0.5")
    assert not slant.search(plain("red*2, hat*0.5").replace("\r", "\n"))
    assert (plain("red*2, hat*0.5").split(), plain("red*2, a hat")) == (["red*2,", "hat*0.5"], "red*2, a hat")
    monkeypatch.setattr("vxa.ui.compat.MAJOR", 4)
    assert plain("red*2, hat*0.5") == "red*2, hat*0.5"


def test_a_class_is_given_what_it_hands_on_to_its_bases():
    class Base:
        def __init__(self, elem_classes: str = "", visible: bool = True) -> None:
            self.elem_classes = elem_classes

    class Row(Base):
        def __init__(self, variant: str = "default", **given: str) -> None:
            super().__init__(**given)

    assert component(Row, elem_classes="vxa-row", format="png").elem_classes == "vxa-row"


def test_an_event_that_cannot_wait_its_turn_presses_a_button_that_can(monkeypatch: pytest.MonkeyPatch):
    attached = []

    def event(name):  # type: ignore[no-untyped-def]
        def older(fn, inputs, outputs, api_name, queue=None, _js=None):  # type: ignore[no-untyped-def]
            attached.append((name, fn, inputs, outputs, queue, _js))
            return SimpleNamespace(then=event(f"after {name}"))

        return older

    class Button:
        def __init__(self, visible: bool, elem_id: str) -> None:
            assert not visible
            attached.append(elem_id)
            self.click = event("click")

    monkeypatch.setattr(gradio, "Button", Button)
    asked = listen(event("change"), len, ["in"], ["out"], queue=False, trigger_mode="always_last")
    button = attached[0]
    assert attached[1:] == [
        ("change", None, None, None, None, f"() => vxaAsk('{button}')"),
        ("click", len, ["in"], ["out"], False, None),
        ("after click", None, None, None, None, f"() => vxaAnswered('{button}')"),
    ]
    asked.then(None, None, None, api_name=False)
    assert attached[-1][0] == "after click"


def test_an_uploaded_image_is_drawn_as_gradios_own_and_handed_on_as_its_path():
    from vxa.ui.upload import UploadedImage

    image = UploadedImage(type="filepath")
    assert image.get_block_name() == "image"
    assert image.preprocess(None) is None
    assert not Path(inspect.getfile(UploadedImage)).with_suffix(".pyi").exists()
