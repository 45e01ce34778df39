"""Controls written as the text that makes them."""

from __future__ import annotations

import pytest

from vxa.steering import Ablate, Control, PromptToPrompt, Reweight, StyleAligned
from vxa.steering.spec import parse_control, write_control


@pytest.mark.parametrize(
    ("control", "text"),
    [
        (PromptToPrompt(), "prompt-to-prompt"),
        (
            PromptToPrompt(0.5, reweight={"red": 2.0, "hat": 0.5}, replace=False, local_blend="ball, car"),
            "prompt-to-prompt:cross_until=0.5,reweight=red*2, hat*0.5,replace=no,local_blend=ball, car",
        ),
        (StyleAligned(strength=2.5, normalize="none"), "style-aligned:strength=2.5,normalize=none"),
        (Reweight({"hat": 3.0}), "reweight:words=hat*3"),
        (Ablate(words="hat"), "ablate:words=hat"),
    ],
)
def test_a_control_is_written_as_it_is_read(control: Control, text: str):
    assert write_control(control) == text
    assert vars(parse_control(text)) == vars(control)
