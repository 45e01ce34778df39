"""Figures of the steering study on rendered pictures whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vxa import papercut
from vxa.papercut import judge
from vxa.papercut.nouns import NOUNS
from vxa.study import steering
from vxa.study.steering import STUDY

SCENE = papercut.scene(5, "dev")


def test_a_picture_against_itself() -> None:
    assert SCENE.caption == "a ball against a wall"
    image = SCENE.image
    found = steering._swap_figures(image, image, {"noun": "ball", "other": "ball"})
    assert found == {"background error": 0.0, "distance of centres": 0.0, "target there": 1.0}
    absent = steering._swap_figures(image, image, {"noun": "ball", "other": "house"})
    assert absent["distance of centres"] is None
    assert absent["target there"] == 0.0


def test_the_background_is_what_lies_outside_the_things() -> None:
    image = SCENE.image
    things = judge.mask(judge.label(image), "ball")
    inside, outside = np.array(image), np.array(image)
    inside[things] = 255 - inside[things]
    outside[:4] = np.clip(outside[:4].astype(int) - 40, 0, 255).astype(np.uint8)
    assert steering._background_error(image, Image.fromarray(inside), things) == 0
    error = steering._background_error(image, Image.fromarray(outside), things)
    assert error == pytest.approx(40 * 4 / 256 / (1 - steering._grown(things).mean()), rel=0.05)


def test_a_border_is_grown_around_a_thing_and_not_over_the_edge() -> None:
    mask = np.zeros((40, 60), bool)
    mask[0, 30] = True
    grown = steering._grown(mask)
    assert grown.sum() == 9 * 17
    assert not grown[-1].any()


def test_the_grounds_style_leaves_things_out() -> None:
    labels = judge.label(SCENE.image)
    black = np.array(SCENE.image)
    black[judge.mask(labels, "ball")] = 0
    one, other = (steering._ground_style(image, labels) for image in (SCENE.image, Image.fromarray(black)))
    assert np.array_equal(one, other)
    assert one.shape == (2, 3)


@pytest.mark.parametrize("part", STUDY.parts, ids=lambda part: part.name)
def test_cases_are_drawn_the_same_again_and_hold_known_things(part: steering.Part) -> None:
    for seed in range(64):
        case = part.draw(seed)
        assert case == part.draw(seed)
        words = {word for prompt in case.facts["prompts"] for word in prompt.split()}
        assert words & set(NOUNS)
    edit = STUDY.parts[0].draw(5).facts
    assert edit["changed"] in NOUNS[edit["noun"]].colours
    assert edit["colour"] in set(NOUNS[edit["noun"]].colours) & set(NOUNS[edit["other"]].colours)
    assert edit["changed"] != edit["colour"]
