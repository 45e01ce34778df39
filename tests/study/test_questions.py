"""Questions with known answers, on both tracks."""

import numpy as np
from PIL import Image
from support.scenes import cached_scene, first_scenes, label

from vxa.papercut import judge
from vxa.study.pictures import judged, rendered


def test_a_rendered_picture_asks_for_objects_adjectives_and_verbs():
    questions = [question for seed in range(8) for question in rendered(seed, "dev").questions]
    assert {question.kind for question in questions} == {"noun", "adjective", "verb"}
    assert all(question.truth.any() for question in questions)
    assert not any((question.truth & question.others).any() for question in questions)
    assert not {"sky", "grass", "sand", "snow", "night", "wall"} & {question.word for question in questions}


def test_others_are_the_captions_other_objects():
    picture = rendered(2, "dev")
    masks = cached_scene(2, "dev").masks
    by_word = {question.word: question for question in picture.questions}
    assert np.array_equal(by_word["dog"].others, masks["table"] & ~masks["dog"])
    assert np.array_equal(by_word["green"].truth, masks["dog"])


def test_a_judged_picture_counts_what_it_does_not_show():
    sample, other = cached_scene(2, "dev"), cached_scene(5, "dev")
    picture = judged(sample.image, sample)
    nouns = {question.word for question in picture.questions if question.kind == "noun"}
    assert nouns | set(picture.absent) == {"dog", "table"}
    assert picture.track == "generated"
    for question in picture.questions:
        assert question.truth.mean() >= judge.PRESENT / 2
    missing = judged(other.image, sample)
    assert missing.absent == ("dog", "table")
    assert missing.questions == ()


def test_a_judged_picture_asks_for_colours_that_are_there():
    sample = cached_scene(2, "dev")  # a green dog
    by_word = {question.word: question for question in judged(sample.image, sample).questions}
    assert by_word["green"].kind == "adjective"
    assert np.array_equal(by_word["green"].truth, by_word["dog"].truth)
    other_hue = Image.fromarray(np.asarray(sample.image)[..., ::-1].copy().astype(np.uint8) // 2)
    assert "green" not in {question.word for question in judged(other_hue, sample).questions}


def test_a_judged_verb_refers_to_all_its_things():
    samples = [s for s in first_scenes("dev") if any(row.upos == "VERB" for row in s.parse.rows)]
    verbs = [
        (sample, question)
        for sample in samples
        for question in judged(sample.image, sample).questions
        if question.kind == "verb"
    ]
    assert verbs, "the judge finds the things of no verb"
    for sample, verb in verbs:
        row = next(row for row in sample.parse.rows if row.form == verb.word)
        truth = sample.word_mask(row.id)
        assert (verb.truth & truth).sum() > 0.5 * truth.sum(), label(sample)
