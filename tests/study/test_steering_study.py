"""Figures of the steering study on rendered pictures whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vxa import papercut
from vxa.papercut import judge
from vxa.papercut.nouns import NOUNS
from vxa.study.frame import Part
from vxa.study.steering import STUDY, appearances, edits, inversions, judging, styles

SCENE = papercut.scene(5, "dev")


def test_a_picture_against_itself() -> None:
    assert SCENE.caption == "a ball against a wall"
    image = SCENE.image
    found = edits._swap_figures(image, image, {"noun": "ball", "other": "ball"})
    assert found == {"background error": 0.0, "distance of centres": 0.0, "target there": 1.0}
    absent = edits._swap_figures(image, image, {"noun": "ball", "other": "house"})
    assert absent["distance of centres"] is None
    assert absent["target there"] == 0.0


def test_the_background_is_what_lies_outside_the_things() -> None:
    image = SCENE.image
    things = judge.mask(judge.label(image), "ball")
    inside, outside = np.array(image), np.array(image)
    inside[things] = 255 - inside[things]
    outside[:4] = np.clip(outside[:4].astype(int) - 40, 0, 255).astype(np.uint8)
    assert judging.background_error(image, Image.fromarray(inside), things) == 0
    error = judging.background_error(image, Image.fromarray(outside), things)
    assert error == pytest.approx(40 * 4 / 256 / (1 - judging.grow(things).mean()), rel=0.05)


def test_a_border_is_grown_around_a_thing_and_not_over_the_edge() -> None:
    mask = np.zeros((40, 60), bool)
    mask[0, 30] = True
    grown = judging.grow(mask)
    assert grown.sum() == 9 * 17
    assert not grown[-1].any()


def test_the_grounds_style_leaves_things_out() -> None:
    labels = judge.label(SCENE.image)
    black = np.array(SCENE.image)
    black[judge.mask(labels, "ball")] = 0
    one, other = (styles._ground_style(image, labels) for image in (SCENE.image, Image.fromarray(black)))
    assert np.array_equal(one, other)
    assert one.shape == (2, 3)


@pytest.mark.parametrize("part", STUDY.parts, ids=lambda part: part.name)
def test_cases_are_drawn_the_same_again_and_hold_known_things(part: Part) -> None:
    for seed in range(64 if part.name != "inversion" else 2):
        case = part.draw(seed)
        assert case == part.draw(seed)
        words = {word for prompt in case.facts["prompts"] for word in prompt.split()}
        assert words & set(NOUNS)


def test_an_edit_gives_another_colour() -> None:
    edit = STUDY.parts[0].draw(5).facts
    assert edit["changed"] in NOUNS[edit["noun"]].colours
    assert edit["colour"] in set(NOUNS[edit["noun"]].colours) & set(NOUNS[edit["other"]].colours)
    assert edit["changed"] != edit["colour"]


def test_the_colours_of_a_thing_are_compared_by_their_shares() -> None:
    red, blue = Image.new("RGB", (4, 2), "red"), Image.new("RGB", (4, 2), "blue")
    half = red.copy()
    half.paste(blue.crop((0, 0, 2, 2)), (0, 0))
    everywhere = np.ones((2, 4), bool)
    first, second, mixed = (appearances._histogram(each, everywhere) for each in (red, blue, half))
    assert appearances._distance(first, first) == 0
    assert appearances._distance(first, second) == 1
    assert appearances._distance(first, mixed) == pytest.approx(0.5)


def test_an_inverted_scenes_caption_names_one_thing_in_its_colour_and_the_target_another() -> None:
    facts = inversions.INVERSIONS.draw(0).facts
    caption, target = facts["prompts"]
    changed = f"{facts['changed']} {facts['noun']}"
    assert changed in target
    assert changed not in caption
    assert papercut.scene(facts["scene"], "test").caption == caption


def test_the_noise_ratio_is_that_of_the_pixels() -> None:
    grey, darker = Image.new("L", (4, 2), 100), Image.new("L", (4, 2), 90)
    assert inversions._psnr(grey, darker) == pytest.approx(10 * np.log10(255**2 / 100))
    left = np.zeros((2, 4), bool)
    left[:, 0] = True
    darker.paste(100, (0, 0, 1, 2))
    assert inversions._psnr(grey, darker, ~left) == pytest.approx(10 * np.log10(255**2 / 100))
    assert inversions._psnr(grey, darker, left) > 60
