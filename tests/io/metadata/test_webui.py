"""Infotexts of the webui, of Forge and Fooocus, and with what extensions add to them."""

from __future__ import annotations

import pytest

from vxa.io.infotext import parse_infotext

SETTINGS = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x768"
BODY = f"a cat\nNegative prompt: bad\n{SETTINGS}"


@pytest.mark.parametrize(
    "added",
    [
        "Template: a {cat|dog}",
        "Template: a {cat|dog}\nNegative Template: {bad|worse}",
        "Negative Template: {bad|worse}",
        "Template: a {cat|dog},\nby {night|day}\n\nin the rain",
        "Template: light: {soft|hard}, mood: {dark|bright}, time: night",
        "Template: {\n  red\n  |blue: 1, green: 2, white: 3\n} hat",
        "Wildcard prompt: a __colour__ cat",
        "\nAdded by another extension",
    ],
)
def test_what_extensions_add_hides_nothing(added: str) -> None:
    made = parse_infotext(f"{BODY}\n{added}")
    assert made is not None
    assert made.prompt == "a cat"
    assert made.settings == {
        "Steps": "20", "Sampler": "Euler a", "CFG scale": "7", "Seed": "1", "Size": "512x768",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        (f"a cat\n{SETTINGS}\nTemplate: a {{cat|dog}}", "a cat"),
        (f"{SETTINGS}\nTemplate: a {{cat|dog}}", ""),
        (f"Negative prompt: bad\n{SETTINGS}\nNegative Template: x", ""),
        (f"Template: of a house\nby day\nNegative prompt: bad\n{SETTINGS}", "Template: of a house\nby day"),
        (f"sky: blue, sea: green, sand: white\n{SETTINGS}", "sky: blue, sea: green, sand: white"),
        (f"a cat\nNegative prompt: bad,\nSteps: of stone\n{SETTINGS}", "a cat"),
        (f"Steps: of stone\n{SETTINGS}", "Steps: of stone"),
        (f"a cat\nBREAK\na dog\nNegative prompt: bad,\nworse\n{SETTINGS}", "a cat\nBREAK\na dog"),
        (BODY.replace("\n", "\r\n") + "\r\nTemplate: a {cat|dog}\r\n", "a cat"),
        ("a cat\nSeed: 7, Size: 6x4, Model: m, VXA version: 1\nTemplate: {cat|dog}", "a cat"),
        ("{cat|dog} and [red:blue:0.5]\n" + SETTINGS, "{cat|dog} and [red:blue:0.5]"),
    ],
)
def test_the_prompt_ends_before_the_negative_prompt_and_the_settings(text: str, prompt: str) -> None:
    made = parse_infotext(text)
    assert made is not None
    assert made.prompt == prompt


@pytest.mark.parametrize(
    ("setting", "name", "value"),
    [
        (
            'Hires prompt: "a cat, smiling\\nNegative prompt: no"',
            "Hires prompt",
            "a cat, smiling\nNegative prompt: no",
        ),
        (
            'ADetailer prompt: "a face, [SEP] eyes: 2, x: 3"',
            "ADetailer prompt",
            "a face, [SEP] eyes: 2, x: 3",
        ),
        ('Template: "a {cat|dog}, red"', "Template", "a {cat|dog}, red"),
        ("Version: f2.0.1v1.10.1-previous-1, Module 1: ae", "Module 1", "ae"),
        ('Lora hashes: "a: 1, b: 2", TI hashes: "c: 3"', "TI hashes", "c: 3"),
        ("Raw prompt: a cat, Version: Fooocus v2.5.5", "Version", "Fooocus v2.5.5"),
    ],
)
def test_settings_of_extensions_stay_settings(setting: str, name: str, value: str) -> None:
    made = parse_infotext(f"a cat\nNegative prompt: bad\n{SETTINGS}, {setting}\nTemplate: {{cat|dog}}")
    assert made is not None
    assert (made.prompt, made.settings[name], made.settings["Seed"]) == ("a cat", value, "1")


@pytest.mark.parametrize(
    "text",
    [
        "Template: a {cat|dog}",
        "a cat\nTemplate: a, b: c, d: e",
        "a: b, c: d, e: f\nby night",
        "Steps: 20, Seed: 1\nTemplate: x",
        '{"Steps": 20, "Seed": 1, "at": "12:30, 12:40, 12:50, 13:00"}',
    ],
)
def test_a_text_without_settings_is_a_prompt_as_people_type_it(text: str) -> None:
    assert parse_infotext(text) is None


@pytest.mark.parametrize(
    "text",
    [
        (" a" + " " * 1000) * 49,
        'a:"\\",' * 8000,
        ("a" + " " * 60 + "b") * 800,
        "\u0085".join("a: b, c: d, e: f" for _ in range(2000)),
    ],
)
def test_texts_made_to_be_slow_are_answered(text: str) -> None:
    assert parse_infotext(text + "\nend") is None
