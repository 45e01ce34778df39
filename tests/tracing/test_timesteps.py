from __future__ import annotations

import pytest

from vxa import SettingError
from vxa.tracing.timesteps import DEFAULT_TIMESTEPS, MAX_TIMESTEPS, parse_timesteps


@pytest.mark.parametrize(
    ("text", "timesteps"),
    [
        ("1, 100,300", (1, 100, 300)),
        ("300, 1, 300", (300, 1)),
        (" 0 ", (0,)),
        ("7, ", (7,)),
        ("", DEFAULT_TIMESTEPS),
        ("  ", DEFAULT_TIMESTEPS),
    ],
)
def test_timesteps_are_read_in_their_order(text: str, timesteps: tuple[int, ...]):
    assert parse_timesteps(text, 1000) == timesteps


def test_the_default_ones_are_those_the_model_has():
    assert parse_timesteps("", 400) == (1, 100, 300)


@pytest.mark.parametrize(
    ("text", "named"),
    [("1,,3", "''"), ("1, x", "'x'"), ("1000", "'1000'"), ("-1", "'-1'"), ("1-3", "'1-3'"), ("1.5", "'1.5'"),
     ("²", "'²'"), ("1" * 99, "'1111"), (",", "''")],
)  # fmt: skip
def test_what_is_no_timestep_is_named(text: str, named: str):
    with pytest.raises(SettingError, match="from 0 to 999") as raised:
        parse_timesteps(text, 1000)
    assert named in str(raised.value)
    assert "\n" not in str(raised.value)


def test_too_many_are_refused():
    with pytest.raises(SettingError, match=f"at most {MAX_TIMESTEPS}"):
        parse_timesteps(", ".join(map(str, range(MAX_TIMESTEPS + 1))), 1000)
