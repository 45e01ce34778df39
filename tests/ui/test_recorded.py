"""A picture tells how it was made, and the page takes it over again: settings there and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from support.replayed import PASS, PROMPT, SITES, saved_maps

from vxa.errors import SettingError
from vxa.io.infotext import Infotext, parse_infotext
from vxa.maps.heat_map import REFINED_THRESHOLD
from vxa.ui.asked import Asked
from vxa.ui.handlers import Handlers
from vxa.ui.offering import offer_html
from vxa.ui.recorded import recorded, written

ASKED = Asked(
    "2, 3", f"mid 6×4 · {SITES[1].label}", "0, 1", "difference", 0.35, 0.4, "viridis", "minmax", "nearest",
    "5, 6", True,
)  # fmt: skip
CONTROLS = {
    "vxa_noise_seed": 41, "vxa_timestep": 300, "vxa_noise": "matched", "vxa_indices": "2, 3",
    "vxa_against": "5, 6", "vxa_sites": "M00", "vxa_heads": "0, 1", "vxa_mode": "difference",
    "vxa_opacity": 0.35, "vxa_threshold": 0.4, "vxa_refine": True, "vxa_colormap": "viridis",
    "vxa_normalize": "minmax", "vxa_resample": "nearest",
}  # fmt: skip


def test_every_setting_is_there_and_back():
    made = parse_infotext(str(written([saved_maps(PROMPT, 300, "matched", 41)], ASKED)))
    assert made is not None
    assert made.prompt == PROMPT
    assert made.settings["VXA words"] == "red, hat"
    assert (made.settings["Size"], made.settings["Model"]) == ("64x96", "replayed")
    assert recorded(made.settings) == CONTROLS


def test_of_ours_what_is_not_named_is_as_at_first():
    changed = recorded(written([saved_maps(PROMPT)], Asked()).settings)
    assert changed == {
        "vxa_noise_seed": 0, "vxa_timestep": 50, "vxa_noise": "matched", "vxa_indices": "", "vxa_against": "",
        "vxa_sites": "default sites", "vxa_heads": "mean", "vxa_refine": False, "vxa_mode": "overlay",
        "vxa_opacity": 0.8,
        "vxa_threshold": 0.35, "vxa_colormap": "inferno", "vxa_normalize": "max", "vxa_resample": "bicubic",
    }  # fmt: skip


def test_of_a_refined_picture_the_usual_threshold_is_its_own():
    made = written(
        [saved_maps(PROMPT, refine=True)], Asked(refine=True, threshold=REFINED_THRESHOLD)
    ).settings
    assert "VXA threshold" not in made
    assert {"vxa_refine": True, "vxa_threshold": REFINED_THRESHOLD}.items() <= recorded(made).items()


def test_of_several_timesteps_all_are_named():
    passes = [saved_maps(PROMPT, timestep) for timestep in (1, 300)]
    assert recorded(written(passes, Asked(mode="timesteps")).settings)["vxa_timesteps"] == "1, 300"


def test_of_a_webuis_image_the_seed_is_taken_and_no_word_is_chosen():
    nothing = {"vxa_indices": "", "vxa_against": ""}
    assert recorded({"Steps": "4", "Seed": "41", "Sampler": "Euler a"}) == {"vxa_noise_seed": 41, **nothing}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VXA mode", "nonsense"), ("VXA mode", ""), ("VXA opacity", "nan"), ("VXA opacity", "1.5"),
        ("VXA threshold", "x"), ("VXA timestep", "1000"), ("VXA timestep", "-1"), ("VXA noise", "loud"),
        ("VXA colour map", "<script>"), ("VXA refine", "1"),
        ("Seed", "9" * 5000), ("Seed", "1.5"), ("VXA tokens", "1" * 3000),
    ],
)  # fmt: skip
def test_a_value_that_its_control_does_not_know_is_left_out(name: str, value: str):
    assert not set(recorded({name: value, "Steps": "1"}).values()) - {""}


@pytest.mark.parametrize(("name", "box"), [("VXA tokens", "vxa_indices"), ("VXA against", "vxa_against")])
def test_a_selection_that_cannot_be_taken_over_leaves_none_of_the_prompt_before(name: str, box: str):
    assert recorded({name: "1" * 3000, "VXA version": "0"})[box] == ""


def test_a_picture_is_kept_with_how_it_was_made(handlers: Handlers, image_file: Path):
    kept: list[tuple[Image.Image, Infotext]] = []

    def keep(picture: Image.Image, made: Infotext) -> str:
        kept.append((picture, made))
        return "2026/00001-hat.png"

    handlers.backend = replace(handlers.backend, keep=keep)
    handlers.run("mine", str(image_file), PROMPT, 300, "matched", seed=41, refine=True)
    assert handlers.keep("mine", ASKED) == "2026/00001-hat.png"
    ((picture, made),) = kept
    assert picture.tobytes() == handlers.picture("mine", ASKED).tobytes()
    assert recorded(made.settings) == CONTROLS


def test_without_a_host_there_is_no_outputs_folder(handlers: Handlers, image_file: Path):
    handlers.run("mine", str(image_file), PROMPT, *PASS)
    with pytest.raises(SettingError, match="Make the files"):
        handlers.keep("mine", Asked())


def test_another_seed_is_another_pass_where_it_makes_noise(handlers: Handlers, image_file: Path):
    given = (str(image_file), PROMPT, 300)
    handlers.run("mine", *given, "matched", seed=41)
    assert "seed 41" in handlers.earlier("mine", *given, "matched", 42)
    assert handlers.earlier("mine", *given, "matched", 41) == ""
    assert "--seed 41" in handlers.command("mine", Asked())[0]
    handlers.run("mine", *given, "none", seed=41)
    assert handlers.earlier("mine", *given, "none", 42) == ""
    with pytest.raises(SettingError, match="seed None is not a whole number"):
        handlers.run("mine", *given, "none", seed=None)


def test_what_is_offered_is_text():
    said = offer_html(Infotext("<img src=x onerror=alert(1)> & " + "word " * 100))
    assert "<img" not in said
    assert "…" in said
