"""The schema of settings: checks, ranges, and one default in every front end."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import get_args

import pytest
from typer.testing import CliRunner

import vxa
from vxa.cli.main import app
from vxa.errors import SettingError
from vxa.generation.settings import GenerationSettings
from vxa.maps.heat_map import Resample
from vxa.maps.settings import MaskSettings, Selection
from vxa.pictures.colormaps import colormap
from vxa.pictures.modes import MODES
from vxa.pictures.view import COLORMAPS, RESAMPLES, View
from vxa.settings import Settings, same, setting, setting_of, settings_of
from vxa.tracing.settings import PassSettings


@dataclass(frozen=True)
class Small(Settings):
    share: float = setting(0.5, "Share", "Of the whole.", low=0, high=1, step=0.1, entry="share")
    count: int = setting(3, "Count", "How many.", low=1, step=1)
    kind: str = setting("a", "Kind", "Which.", choices=("a", "b"))
    note: str | None = setting(None, "Note", "Anything.")


@dataclass(frozen=True)
class Other(Settings):
    share: float = same(Small, "share", 0.25, entry="other share")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"share": 1.5}, "share 1.5 is out of range; give a number from 0 to 1"),
        ({"share": float("nan")}, "share nan is out of range"),
        ({"share": True}, "share True is out of range"),
        ({"share": None}, "share None is out of range"),
        ({"share": "x"}, "share 'x' is out of range"),
        ({"count": 0}, "count 0 is out of range; give a whole number of 1 or more"),
        ({"kind": "c"}, "kind 'c' is unknown; choose one of a, b"),
        ({"kind": []}, r"kind \[\] is unknown"),
    ],
)
def test_a_value_that_is_not_allowed_is_told(values: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        Small(**values)  # type: ignore[arg-type]


def test_ranges_are_words() -> None:
    assert [facts.range for facts in settings_of(Small).values()] == [
        "0 to 1",
        "1 or more",
        "one of a, b",
        "",
    ]


def test_the_facts_of_another_class_are_taken_over_but_for_those_given() -> None:
    assert Other().share == 0.25
    assert setting_of(Other, "share").label == "Share"
    assert setting_of(Other, "share").entry == "other share"
    with pytest.raises(SettingError):
        Other(share=2)


def test_a_default_exists_once() -> None:
    taken = inspect.signature(vxa.visualize).parameters
    for name in ("timestep", "noise", "seed", "max_side"):
        assert taken[name].default == getattr(PassSettings, name)
    taken = inspect.signature(vxa.render).parameters
    for name in settings_of(View):
        assert taken[name].default == getattr(View, name)
    taken = inspect.signature(vxa.generate).parameters
    for name in settings_of(GenerationSettings):
        assert taken[name].default == getattr(GenerationSettings, name)


def test_every_setting_is_an_option_of_the_command_line() -> None:
    told = CliRunner().invoke(app, ["show", "--help"], env={"COLUMNS": "300"}).stdout
    for kind in (Selection, View, MaskSettings, PassSettings):
        for name, facts in settings_of(kind).items():
            assert all(flag in told for flag in facts.flags or (f"--{name.replace('_', '-')}",)), name
            assert facts.help[:40] in told, name


def test_the_choices_are_those_that_can_be_drawn() -> None:
    assert all(colormap(name).shape == (256, 3) for name in COLORMAPS)
    assert get_args(Resample) == RESAMPLES
    from vxa.pictures.render import _DRAW

    assert list(_DRAW) == list(MODES)
