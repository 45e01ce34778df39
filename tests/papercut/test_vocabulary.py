"""The words that papercut knows, and what is said of the others."""

from __future__ import annotations

from vxa.papercut import scene
from vxa.papercut.vocabulary import unknown_words, unknown_words_note, vocabulary


def test_captions_hold_no_other_words() -> None:
    for seed in range(12):
        assert unknown_words(scene(seed, "train").caption) == ()


def test_other_words_are_named_once_and_in_order() -> None:
    assert unknown_words("A Sofa, a red hat, and a zebra's sofa") == ("sofa", "zebra", "s")
    assert unknown_words("") == ()
    assert unknown_words("two cats, 3 (hats:1.2)") == ()


def test_the_note_is_one_short_sentence() -> None:
    note = unknown_words_note(tuple(f"word{letter}" * 30 for letter in "abcdefghijkl"))
    assert f"of {len(vocabulary())} words" in note
    assert "and 4 more" in note
    assert len(note) < 600
