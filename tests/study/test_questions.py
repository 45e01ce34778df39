"""Questions with known answers, on both tracks."""

import numpy as np
from PIL import Image

from vxa.papercut import judge, scene
from vxa.study.pictures import judged, rendered


def test_a_rendered_picture_asks_for_objects_adjectives_and_verbs():
    asked = [question for seed in range(40) for question in rendered(seed, "dev").questions]
    assert {question.kind for question in asked} == {"noun", "adjective", "verb"}
    assert all(question.truth.any() for question in asked)
    assert not any((question.truth & question.others).any() for question in asked)
    assert not {"sky", "grass", "sand", "snow", "night", "wall"} & {question.word for question in asked}


def test_others_are_the_captions_other_objects():
    picture = rendered(2, "dev")
    masks = scene(2, "dev").masks
    by_word = {question.word: question for question in picture.questions}
    assert np.array_equal(by_word["dog"].others, masks["table"] & ~masks["dog"])
    assert np.array_equal(by_word["green"].truth, masks["dog"])


def test_a_judged_picture_counts_what_it_does_not_show():
    shown, other = scene(2, "dev"), scene(5, "dev")
    found = judged(shown.image, shown)
    nouns = {question.word for question in found.questions if question.kind == "noun"}
    assert nouns | set(found.absent) == {"dog", "table"}
    assert found.track == "generated"
    for question in found.questions:
        assert question.truth.mean() >= judge.PRESENT / 2
    missing = judged(other.image, shown)
    assert missing.absent == ("dog", "table")
    assert missing.questions == ()


def test_a_judged_picture_asks_for_colours_that_are_there():
    shown = scene(2, "dev")  # a green dog
    by_word = {question.word: question for question in judged(shown.image, shown).questions}
    assert by_word["green"].kind == "adjective"
    assert np.array_equal(by_word["green"].truth, by_word["dog"].truth)
    other_hue = Image.fromarray(np.asarray(shown.image)[..., ::-1].copy().astype(np.uint8) // 2)
    assert "green" not in {question.word for question in judged(other_hue, shown).questions}


def test_a_judged_verb_speaks_of_all_its_things():
    for seed in range(80):
        shown = scene(seed, "dev")
        asked = judged(shown.image, shown).questions
        for verb in (question for question in asked if question.kind == "verb"):
            exact = next(row for row in shown.parse.rows if row.form == verb.word)
            truth = shown.word_mask(exact.id)
            assert (verb.truth & truth).sum() > 0.5 * truth.sum()
            return
    raise AssertionError("no verb was asked for")
