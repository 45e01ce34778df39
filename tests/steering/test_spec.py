"""Controls as text, as the command line takes them."""

from __future__ import annotations

import pytest

from vxa.errors import SettingError
from vxa.steering import CONTROLS, Ablate, Emphasize, MultiDiffusion, PromptToPrompt, StyleAligned
from vxa.steering.spec import name_of, parse_control, parse_factors, values_of


@pytest.mark.parametrize(
    ("text", "control"),
    [
        ("prompt-to-prompt", PromptToPrompt()),
        ("PromptToPrompt", PromptToPrompt()),
        (
            "prompt-to-prompt:cross_until=0.6, local_blend=ball, cup ,replace=no",
            PromptToPrompt(cross_until=0.6, local_blend="ball, cup", replace=False),
        ),
        ("prompt-to-prompt:reweight=red*2,hat*0.5", PromptToPrompt(reweight={"red": 2, "hat": 0.5})),
        ("emphasize:words=red hat*3", Emphasize({"red hat": 3})),
        ("ablate:heads=0, 3-5,sites=up", Ablate(heads="0, 3-5", sites="up")),
        ("multi-diffusion:stride=128", MultiDiffusion(stride=128)),
        ("Style-Aligned:strength=2,normalize=qkv", StyleAligned(strength=2, normalize="qkv")),
    ],
)
def test_a_control_is_read(text: str, control: object) -> None:
    found = parse_control(text)
    assert type(found) is type(control)
    assert vars(found) == vars(control)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("promt-to-prompt", "there is no control 'promt-to-prompt'; did you mean prompt-to-prompt"),
        ("", "there is no control ''; controls are prompt-to-prompt, "),
        (
            "style-aligned:strenth=2",
            "'strenth=2' is no setting of style-aligned; write NAME=VALUE with",
        ),
        ("multi-diffusion:stride=few", "multi-diffusion: stride 'few' is no number; give one such as 8"),
        ("multi-diffusion:regions=all", "'regions=all' is no setting of multi-diffusion"),
        ("style-aligned:2", "'2' is no setting of style-aligned"),
        ("style-aligned:strength=much", "style-aligned: strength 'much' is no number; give one such as 1.0"),
        ("style-aligned:share=maybe", "style-aligned: share 'maybe' is unknown; give yes or no"),
        ("style-aligned:strength=nan", "strength nan is out of range"),
        ("reweight:words=red", "'red' is no word with its factor"),
        ("reweight", "Reweight has no words"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        parse_control(text)


def test_factors() -> None:
    assert parse_factors(" red*2, a hat *0.5 ,") == {"red": 2.0, "a hat": 0.5}
    for text in ("red", "*2", "red*", "red*inf"):
        with pytest.raises(SettingError, match="no word with its factor"):
            parse_factors(text)


@pytest.mark.parametrize("kind", CONTROLS.values())
def test_every_control_is_listed_with_all_its_settings(kind: type) -> None:
    assert parse_factors("") == {}
    assert kind.__doc__
    assert name_of(kind).replace("-", "") == kind.__name__.lower()
    assert all(isinstance(value, str) for value in values_of(kind).values())
