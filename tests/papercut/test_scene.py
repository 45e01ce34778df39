"""The papercut world: deterministic by seed, with masks and parses that agree with picture and caption."""

import random

import numpy as np
import pytest
from support.scenes import cached_scene, first_scenes, label

from vxa.errors import SettingError
from vxa.papercut import scene
from vxa.papercut.nouns import ALL, FAMILIES, GROUNDS, NOUNS, held_out


@pytest.fixture(scope="module")
def scenes():
    return first_scenes()


def test_a_seed_always_gives_the_same_scene():
    first, again, other = cached_scene(7, "test"), scene(7, "test"), cached_scene(7, "dev")
    assert again.caption == first.caption
    assert again.image.tobytes() == first.image.tobytes()
    assert other.caption != again.caption or other.image.tobytes() != again.image.tobytes()


def test_the_world_does_not_drift():
    """Models are trained on these scenes, so a change of the world means training them again."""
    sample = cached_scene(0, "train")
    assert sample.caption == "a pink cup on the green grass under the night sky"
    means = np.asarray(sample.image, dtype=np.float64).mean((0, 1))
    assert means == pytest.approx((76.7, 90.0, 86.0), abs=1.5)


def test_masks_fit_the_picture_and_named_things_are_visible(scenes):
    for sample in scenes:
        where = label(sample)
        assert sample.image.size == (256, 256), where
        assert sample.image.mode == "RGB", where
        for thing in sample.things:
            assert thing.mask.shape == (256, 256), where
            assert thing.mask.dtype == bool, where
            if thing.span:
                noun = sample.caption[slice(*thing.span)]
                assert thing.noun[:3] in noun or thing.noun == "night", where
                left, top, right, bottom = thing.box
                inside = thing.mask[top:bottom, left:right]
                assert inside.sum() == thing.mask.sum() >= 100, where
                edges = (inside[0], inside[-1], inside[:, 0], inside[:, -1])
                assert all(edge.any() for edge in edges), f"the box of {thing.noun} is not tight: {where}"


def test_grounds_and_free_things_do_not_overlap(scenes):
    people = {"girl", "boy"}
    for sample in scenes:
        figures = np.any(
            [t.mask for t in sample.objects if t.noun in people] or [np.zeros((256, 256), bool)], axis=0
        )
        count = np.sum([t.mask for t in sample.things if t.noun not in people], axis=0)
        assert (count <= 1).mean() > 0.98, f"pixels show more than one sheet of paper: {label(sample)}"
        assert ((count >= 1) | figures).mean() > 0.98, f"pixels show no sheet of paper: {label(sample)}"


def test_the_parse_is_a_tree_over_the_caption(scenes):
    for sample in scenes:
        rows, where = sample.parse.rows, label(sample)
        assert [r.id for r in rows] == list(range(1, len(rows) + 1)), where
        assert sum(r.head == 0 for r in rows) == 1, where
        assert next(r for r in rows if r.head == 0).relation == "root", where
        for row in rows:
            assert sample.caption[row.start : row.end] == row.form, where
            assert row.head != row.id, where
            path = set()
            while row.head:
                assert row.id not in path, f"a cycle in {where}"
                path.add(row.id)
                row = rows[row.head - 1]
        rebuilt = "".join(r.form + ("" if "SpaceAfter=No" in r.misc else " ") for r in rows).rstrip()
        assert rebuilt == sample.caption, where


# Universal Dependencies relations of the captions, each with the parts of speech of its head.
HEADS = {
    "acl": {"NOUN"}, "amod": {"NOUN"}, "compound": {"NOUN"}, "det": {"NOUN"}, "nmod": {"NOUN"},
    "nmod:poss": {"NOUN"}, "nummod": {"NOUN"}, "aux": {"VERB"}, "nsubj": {"VERB"}, "obj": {"VERB"},
    "obl": {"VERB"}, "case": {"NOUN"}, "fixed": {"ADP"}, "cc": {"NOUN", "VERB"}, "conj": {"NOUN", "VERB"},
    "punct": {"NOUN", "VERB"},
}  # fmt: skip


def test_the_parse_keeps_the_rules_of_universal_dependencies(scenes):
    for sample in scenes:
        rows = sample.parse.rows
        for row in (row for row in rows if row.head):
            head, where = rows[row.head - 1], f"{row.form!r} in {label(sample)}"
            assert head.upos in HEADS[row.relation], where
            assert (row.relation == "punct") == (row.upos == "PUNCT"), where
            assert row.relation not in ("conj", "fixed") or head.id < row.id, where
            assert row.relation != "cc" or head.relation == "conj", where
            for between in rows[min(row.id, head.id) : max(row.id, head.id) - 1]:
                while between.head not in (0, head.id):
                    between = rows[between.head - 1]
                assert between.head == head.id, f"an arc is crossed: {where}"


def test_the_scenes_use_every_relation(scenes):
    used = {row.relation for sample in scenes for row in sample.parse.rows}
    assert used == {*HEADS, "root"}


def test_a_number_counts_its_things(scenes):
    numbers = [row for sample in (*scenes, scene(358)) for row in sample.parse.rows if row.upos == "NUM"]
    assert {row.form for row in numbers} == {"two", "three", "four"}
    assert all(len(row.things) == {"two": 2, "three": 3, "four": 4}[row.form] for row in numbers)


def test_conllu_has_ten_columns_and_ends_with_a_blank_line():
    sample = cached_scene(3)
    text = str(sample.parse)
    assert text.startswith(f"# text = {sample.caption}\n")
    assert text.endswith("\n\n")
    assert all(len(line.split("\t")) == 10 for line in text.strip().split("\n")[1:])


def test_an_adjective_refers_to_its_nouns_things_and_a_verb_to_its_arguments(scenes):
    for sample in scenes:
        rows = sample.parse.rows
        for row in rows:
            where = f"{row.form!r} in {label(sample)}"
            if row.relation == "amod":
                assert set(row.things) == set(rows[row.head - 1].things), where
            if row.upos == "VERB":
                arguments = [r for r in rows if r.head == row.id and r.relation in ("nsubj", "obj")]
                assert {t for r in arguments for t in r.things} <= set(row.things), where
                union = np.any([sample.things[i].mask for i in row.things], axis=0)
                assert np.array_equal(sample.word_mask(row.id), union), where


def test_pronouns_corefer_with_their_owner(scenes):
    pronouns = [(sample, row) for sample in scenes for row in sample.parse.rows if row.upos == "PRON"]
    assert pronouns, "no scene has a pronoun"
    for sample, row in pronouns:
        chain = next(m for m in row.misc.split("|") if m.startswith("Entity="))
        owners = [r for r in sample.parse.rows if chain in r.misc.split("|") and r.upos == "NOUN"]
        assert [o.lemma for o in owners] in (["girl"], ["boy"]), label(sample)
        assert owners[0].things == row.things, label(sample)


def test_masks_hold_every_noun_of_the_caption_as_written(scenes):
    for sample in scenes:
        nouns = {r.form for r in sample.parse.rows if r.upos == "NOUN" and r.things}
        assert set(sample.masks) == nouns, label(sample)
        assert all(mask.any() for mask in sample.masks.values()), label(sample)


def test_only_test_scenes_show_held_out_pairs(scenes):
    def pairs(split):
        return {(t.noun, t.colour) for s in scenes if s.split == split for t in s.objects if t.colour}

    assert not any(held_out(*pair) for split in ("train", "dev") for pair in pairs(split))
    assert any(held_out(*pair) for pair in pairs("test"))


def test_the_world_is_as_rich_as_it_claims():
    assert len(NOUNS) >= 28
    assert len(GROUNDS) >= 6
    assert len(ALL) >= 10
    assert sum(len(members) >= 2 for members in FAMILIES.values()) >= 8


def test_captions_are_sentences_or_comma_lists(scenes):
    lists = [s for s in scenes if all(r.upos in ("NOUN", "ADJ", "PUNCT", "NUM") for r in s.parse.rows)]
    verbs = [s for s in scenes if any(r.upos == "VERB" for r in s.parse.rows)]
    assert lists
    assert verbs


@pytest.mark.parametrize(
    ("seed", "split", "message"),
    [
        (1, "training", "no split 'training'; choose one of train, dev, test"),
        ("1", "test", "seed '1' is not allowed; give a whole number"),
        (1.5, "test", "seed 1.5 is not allowed"),
    ],
)
def test_an_unknown_split_or_seed_is_refused(seed, split, message):
    with pytest.raises(SettingError, match=message):
        scene(seed, split)


def test_scenes_are_hard_enough(scenes):
    """Check sizes and numbers of things on a small sample; the model card has them for a large one."""
    shares = [t.mask.mean() for s in scenes for t in s.objects if t.span]
    assert np.mean(shares) <= 0.15
    assert 0.03 <= np.median(shares) <= 0.12
    assert np.mean([sum(t.span is not None for t in s.objects) >= 2 for s in scenes]) >= 0.7


def test_the_callers_random_state_is_left_alone():
    random.seed(5)
    before = random.getstate()
    scene(11)
    assert random.getstate() == before
