from __future__ import annotations

import pytest

from vxa.models.prompt_syntax import Fragment, readings


def parts(reading: tuple[Fragment, ...]) -> list[tuple[str, float]]:
    return [(each.text, round(each.weight, 4)) for each in reading]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a (red) hat", [("a ", 1), ("red", 1.1), (" hat", 1)]),
        ("((red:1.5)) [hat] \\(x\\)", [("red", 1.65), (" ", 1), ("hat", 0.9091), (" (x)", 1)]),
        ("(un)(equal", [("unequal", 1.1)]),
        ("a BREAK b: c", [("a   b: c", 1)]),
        ("(a) BREAK b", [("a", 1.1), (" BREAK b", 1)]),
        ("a ) b ] c (d:1.2.3)", [("a ) b ] c d", 1)]),
    ],
)
def test_the_webuis_grammar(prompt: str, expected: list[tuple[str, float]]) -> None:
    assert expected in [parts(reading) for reading in readings(prompt)]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a red++ hat-, t-shirt", [("a ", 1), ("red", 1.21), (" ", 1), ("hat", 0.9), (", t-shirt", 1)]),
        ("(a (b)++ c)0.5 \\(d\\)", [("a ", 0.5), ("b", 0.605), (" c", 0.5), (" (d)", 1)]),
        ('"red hat"+ (cat)', [("red hat", 1.1), (" cat", 1)]),
        ('("a b+", "c").and(1, 0.5)', [("a ", 1), ("b", 1.1), (" ", 1), ("c ", 1)]),
    ],
)
def test_compels_grammar(prompt: str, expected: list[tuple[str, float]]) -> None:
    assert expected in [parts(reading) for reading in readings(prompt)]


def test_a_plain_prompt_has_one_reading() -> None:
    assert readings("a red hat, C3-PO 10:30") == [(Fragment("a red hat, C3-PO 10:30"),)]
