"""The world: the same for the same seed, with masks and parses that agree with what is seen and said."""

import random

import numpy as np
import pytest

from vxa.errors import SettingError
from vxa.papercut import scene
from vxa.papercut.nouns import ALL, FAMILIES, GROUNDS, NOUNS, held_out

SCENES = [scene(seed, split) for split in ("train", "dev", "test") for seed in range(40)]


def test_a_seed_always_gives_the_same_scene():
    again = scene(7, "test")
    assert again.caption == scene(7, "test").caption
    assert again.image.tobytes() == scene(7, "test").image.tobytes()
    assert (
        scene(7, "dev").caption != again.caption or scene(7, "dev").image.tobytes() != again.image.tobytes()
    )


def test_the_world_does_not_drift():
    """Models are trained on these scenes: a change here means training again."""
    assert scene(0, "train").caption == "a pink cup on the green grass under the night sky"
    means = np.asarray(scene(0, "train").image, dtype=np.float64).mean((0, 1))
    assert means == pytest.approx((76.7, 90.0, 86.0), abs=1.5)


@pytest.mark.parametrize("shown", SCENES, ids=lambda s: f"{s.split}-{s.seed}")
def test_masks_are_of_the_picture_and_named_things_are_seen(shown):
    assert shown.image.size == (256, 256)
    assert shown.image.mode == "RGB"
    for thing in shown.things:
        assert thing.mask.shape == (256, 256)
        assert thing.mask.dtype == bool
        if thing.span:
            assert thing.noun[:3] in shown.caption[slice(*thing.span)] or thing.noun == "night"
            left, top, right, bottom = thing.box
            inside = thing.mask[top:bottom, left:right]
            assert inside.sum() == thing.mask.sum() >= 100
            assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1])), (
                "the box is tight"
            )


@pytest.mark.parametrize("shown", SCENES, ids=lambda s: f"{s.split}-{s.seed}")
def test_grounds_and_free_things_do_not_overlap(shown):
    people = {"girl", "boy"}
    figures = np.any(
        [t.mask for t in shown.objects if t.noun in people] or [np.zeros((256, 256), bool)], axis=0
    )
    count = np.sum([t.mask for t in shown.things if t.noun not in people], axis=0)
    assert (count <= 1).mean() > 0.98, "a pixel shows one sheet of paper"
    assert ((count >= 1) | figures).mean() > 0.98, "every pixel shows some sheet"


@pytest.mark.parametrize("shown", SCENES, ids=lambda s: f"{s.split}-{s.seed}")
def test_the_parse_is_a_tree_over_the_caption(shown):
    rows = shown.parse.rows
    assert [r.id for r in rows] == list(range(1, len(rows) + 1))
    assert sum(r.head == 0 for r in rows) == 1
    assert next(r for r in rows if r.head == 0).relation == "root"
    for row in rows:
        assert shown.caption[row.start : row.end] == row.form
        assert row.head != row.id
        seen = set()
        while row.head:
            assert row.id not in seen, "a cycle"
            seen.add(row.id)
            row = rows[row.head - 1]
    rebuilt = "".join(r.form + ("" if "SpaceAfter=No" in r.misc else " ") for r in rows).rstrip()
    assert rebuilt == shown.caption


# The relations of Universal Dependencies that captions use, and what their heads can be.
HEADS = {
    "acl": {"NOUN"}, "amod": {"NOUN"}, "compound": {"NOUN"}, "det": {"NOUN"}, "nmod": {"NOUN"},
    "nmod:poss": {"NOUN"}, "nummod": {"NOUN"}, "aux": {"VERB"}, "nsubj": {"VERB"}, "obj": {"VERB"},
    "obl": {"VERB"}, "case": {"NOUN"}, "fixed": {"ADP"}, "cc": {"NOUN", "VERB"}, "conj": {"NOUN", "VERB"},
    "punct": {"NOUN", "VERB"},
}  # fmt: skip


@pytest.mark.parametrize("shown", SCENES, ids=lambda s: f"{s.split}-{s.seed}")
def test_the_parse_keeps_the_rules_of_universal_dependencies(shown):
    rows = shown.parse.rows
    for row in (row for row in rows if row.head):
        head = rows[row.head - 1]
        assert head.upos in HEADS[row.relation]
        assert (row.relation == "punct") == (row.upos == "PUNCT")
        assert row.relation not in ("conj", "fixed") or head.id < row.id
        assert row.relation != "cc" or head.relation == "conj"
        for between in rows[min(row.id, head.id) : max(row.id, head.id) - 1]:
            while between.head not in (0, head.id):
                between = rows[between.head - 1]
            assert between.head == head.id, "an arc is crossed"


def test_a_number_counts_what_it_speaks_of():
    numbers = [row for shown in (*SCENES, scene(358)) for row in shown.parse.rows if row.upos == "NUM"]
    assert {row.form for row in numbers} == {"two", "three", "four"}
    assert all(len(row.things) == {"two": 2, "three": 3, "four": 4}[row.form] for row in numbers)


def test_conllu_has_ten_columns_and_ends_with_a_blank_line():
    text = str(scene(3).parse)
    assert text.startswith(f"# text = {scene(3).caption}\n")
    assert text.endswith("\n\n")
    assert all(len(line.split("\t")) == 10 for line in text.strip().split("\n")[1:])


def test_an_adjective_speaks_of_its_noun_and_a_verb_of_both_its_arguments():
    for shown in SCENES:
        rows = shown.parse.rows
        for row in rows:
            if row.relation == "amod":
                assert set(row.things) == set(rows[row.head - 1].things)
            if row.upos == "VERB":
                arguments = [r for r in rows if r.head == row.id and r.relation in ("nsubj", "obj")]
                spoken = {t for r in arguments for t in r.things}
                assert spoken <= set(row.things)
                assert np.array_equal(
                    shown.word_mask(row.id), np.any([shown.things[i].mask for i in row.things], axis=0)
                )


def test_pronouns_corefer_with_their_owner():
    pronouns = [(s, r) for s in SCENES for r in s.parse.rows if r.upos == "PRON"]
    assert pronouns, "no scene has a pronoun"
    for shown, row in pronouns:
        chain = next(m for m in row.misc.split("|") if m.startswith("Entity="))
        owners = [r for r in shown.parse.rows if chain in r.misc.split("|") and r.upos == "NOUN"]
        assert [o.lemma for o in owners] in (["girl"], ["boy"])
        assert owners[0].things == row.things


def test_masks_hold_every_noun_of_the_caption_as_written():
    for shown in SCENES:
        nouns = {r.form for r in shown.parse.rows if r.upos == "NOUN" and r.things}
        assert set(shown.masks) == nouns
        assert all(mask.any() for mask in shown.masks.values())


def test_only_test_scenes_show_held_out_pairs():
    def pairs(split):
        return {(t.noun, t.colour) for s in SCENES if s.split == split for t in s.objects if t.colour}

    assert not any(held_out(*pair) for split in ("train", "dev") for pair in pairs(split))
    assert any(held_out(*pair) for pair in pairs("test"))


def test_the_world_is_as_rich_as_it_claims():
    assert len(NOUNS) >= 28
    assert len(GROUNDS) >= 6
    assert len(ALL) >= 10
    assert sum(len(members) >= 2 for members in FAMILIES.values()) >= 8
    relations = {r.relation for s in SCENES for r in s.parse.rows}
    assert relations >= {
        "amod",
        "det",
        "nummod",
        "conj",
        "cc",
        "nsubj",
        "obj",
        "nmod",
        "case",
        "acl",
        "punct",
        "obl",
        "compound",
        "aux",
    }


def test_captions_come_as_sentences_and_as_comma_lists():
    lists = [s for s in SCENES if all(r.upos in ("NOUN", "ADJ", "PUNCT", "NUM") for r in s.parse.rows)]
    verbs = [s for s in SCENES if any(r.upos == "VERB" for r in s.parse.rows)]
    assert lists
    assert verbs


@pytest.mark.parametrize(
    ("seed", "split", "said"),
    [
        (1, "training", "no split 'training'; choose one of train, dev, test"),
        ("1", "test", "seed '1' is not allowed; give a whole number"),
        (1.5, "test", "seed 1.5 is not allowed"),
    ],
)
def test_an_unknown_split_or_seed_is_refused(seed, split, said):
    with pytest.raises(SettingError, match=said):
        scene(seed, split)


def test_scenes_are_hard_enough():
    """Bars of the world, on a small sample; the model card has them on a large one."""
    shares = [t.mask.mean() for s in SCENES for t in s.objects if t.span]
    assert np.mean(shares) <= 0.15
    assert 0.03 <= np.median(shares) <= 0.12
    assert np.mean([sum(t.span is not None for t in s.objects) >= 2 for s in SCENES]) >= 0.7


def test_random_state_of_the_caller_is_left_alone():
    random.seed(5)
    before = random.getstate()
    scene(11)
    assert random.getstate() == before
