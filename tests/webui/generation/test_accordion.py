"""The accordion of the always-on script: its controls are the API's arguments, set by a pasted infotext."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import ROOT, TESTS

SCRIPT = ROOT / "scripts" / "vxa_trace.py"
BUILD = """
import json, sys
from types import ModuleType
sys.path.insert(0, {tests!r})
import gradio as gr
from support.fake_host import FakeHost
host = FakeHost()
sys.modules.update(host.modules())

class InputAccordion(gr.Checkbox):
    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

sys.modules["modules.ui_components"].InputAccordion = InputAccordion
from vxa.webui.host.script import VxaTrace
from vxa.webui.generation.options import TraceOptions
tab = VxaTrace()
tab.filename = {script!r}
with gr.Blocks() as page:
    made = tab.ui(False)
told = {{"VXA trace": "grid + steps", "VXA trace words": "hat"}}
print(json.dumps({{
    "names": [one.elem_id.rpartition("_vxa_")[2] for one in made],
    "usual": bool(made)
    and TraceOptions.of([True, *(one.value for one in made[1:])]) == TraceOptions(enabled=True),
    "pasted": [read(told) for _, read in tab.infotext_fields or ()],
    "texts": [str(getattr(one, "value", "")) for one in page.blocks.values()],
}}))
"""


def built(script: Path) -> Any:
    """The contents of the accordion of the script's extension, built in a process of its own."""
    pytest.importorskip("gradio", reason='gradio is not installed: pip install ".[app]"')
    code = BUILD.format(tests=str(TESTS), script=str(script))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_the_controls_are_the_arguments_in_their_order() -> None:
    found = built(SCRIPT)
    names = ["enabled", "words", "show", "colormap", "opacity", "sites", "save", "live", "refine"]
    assert found["names"] == names
    assert found["usual"] is True
    assert found["pasted"] == [True, "hat", ["grid", "steps"], "inferno", 0.8, "", False, False, False]


@pytest.mark.slow
def test_another_copy_says_so_and_has_no_controls(tmp_path: Path) -> None:
    code = SCRIPT.parent.parent
    found = built(tmp_path / "extensions" / "vxa" / "scripts" / "vxa_trace.py")
    assert found["names"] == []
    assert any(f"VXA is installed twice, in {code} and" in text for text in found["texts"])
