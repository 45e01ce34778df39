"""Selections that follow their words from one prompt to another."""

from __future__ import annotations

import pytest
from support.replayed import tokenize

from vxa.tokens import Token
from vxa.ui.anchor import Anchor, anchor_of, moved, noted
from vxa.ui.chips import chips
from vxa.ui.selection import Followed, follow


def followed(old: str, new: str, selection: str) -> Followed:
    return follow(chips(tokenize(old)), chips(tokenize(new)), selection)


@pytest.mark.parametrize(
    ("old", "new", "selection", "wanted", "dropped"),
    [
        ("a cat", "a red cat", "2", "3", ()),
        ("a red cat", "a cat", "3", "2", ()),
        ("a cat", "a dog", "2", "", ("cat",)),
        ("a cat", "a Cat", "2", "2", ()),
        ("a cat and a dog", "a dog and a cat", "2, 5", "5, 2", ()),  # changed places
        ("red hat and blue scarf", "blue scarf and red hat", "1, 2", "4, 5", ()),  # a phrase
        ("red hat and blue scarf", "blue scarf and red hat", "4-5", "1, 2", ()),
        ("red hat, red scarf", "red scarf, red hat", "4, 5", "1, 2", ()),
        ("red hat, red scarf", "red hat, scarf", "4", "", ("red#2",)),
        ("red hat, red scarf", "hat, red scarf", "4", "3", ()),
        ("red hat, red scarf", "red hat, big red scarf", "1, 4", "1, 5", ()),
        ("a cat and a black cat", "a black cat", "6", "3", ()),
        ("neckerchief, hat", "big neckerchief, hat", "1, 2", "2, 3", ()),  # a word of two pieces
        ("neckerchief, hat", "big neckerchief, hat", "2", "3", ()),  # one of its pieces
        ("neckerchief, hat", "hat", "2, 4", "1", ("neckerchief",)),
        ("a b c d e", "x a b c d e", "1-5", "2-6", ()),  # written as ranges
        ("a cat", "a cat sits", "2,", "2,", ()),  # being written
        ("a cat", "the red cat", "1, 2", "3", ("a",)),
        ("a cat", " ", "2", "", ("cat",)),
    ],
)
def test_a_selection_follows_its_words(
    old: str, new: str, selection: str, wanted: str, dropped: tuple[str, ...]
):
    if not new.strip():
        assert follow(chips(tokenize(old)), (), selection) == Followed(wanted, dropped)
    else:
        assert followed(old, new, selection) == Followed(wanted, dropped)


@pytest.mark.parametrize(
    ("selection", "wanted", "dropped"),
    [
        ("0", "0", ()),  # begin
        ("3", "5", ()),  # end, by its chip
        ("4-76", "6-76", ()),  # the chip of padding
        ("9", "9", ()),  # an index that was typed
        ("5", "5", ()),
        ("90", "90", ()),
        ("9, 2", "9, 4", ()),
    ],
)
def test_what_is_no_word_stays_or_follows_its_chip(selection: str, wanted: str, dropped: tuple[str, ...]):
    assert followed("a cat", "a big red cat", selection) == Followed(wanted, dropped)


@pytest.mark.parametrize("selection", ["", "  ", "x", "1-", "3-1", "1,,2", "99999999"])
def test_what_cannot_be_read_stays_as_it_is(selection: str):
    assert followed("a cat", "a red cat", selection) == Followed(selection)


def test_a_padding_that_is_gone_is_dropped():
    full = " ".join("abcde" for _ in range(75))
    assert followed("a cat", full, "4-76") == Followed("", ("padding",))


def test_the_words_of_a_second_chunk_follow_into_the_first():
    def chunked(text: str) -> tuple[Token, ...]:
        """The words in chunks of 77 positions, as long prompts are encoded."""
        words, tokens = text.split(), []
        for start in range(0, len(words), 75):
            at = len(tokens)
            part = words[start : start + 75]
            tokens.append(Token(at, 1, "", None, "bos"))
            tokens += [Token(at + 1 + n, 5, word, start + n, None) for n, word in enumerate(part)]
            tokens += [Token(at + n, 2, "", None, "eos") for n in range(1 + len(part), 77)]
        return tuple(tokens)

    long, short = "big " * 75 + "red cat", "red cat"
    assert follow(chips(chunked(long)), chips(chunked(short)), "78, 79") == Followed("1, 2")
    assert follow(chips(chunked(short)), chips(chunked(long)), "2") == Followed("79")


def test_another_tokenizer_cuts_the_same_word_into_other_pieces():
    whole = (Token(0, 1, "", None, "bos"), Token(1, 7, "neckerchief", 0, None), Token(2, 2, "", None, "eos"))
    old, new = chips(tokenize("neckerchief")), chips(whole)
    assert follow(old, new, "1-2") == Followed("1")
    assert follow(old, new, "2") == Followed("", ("neckerchief",))


def edit(anchor: Anchor | None, prompt: str, boxes: tuple[str, str]) -> Anchor:
    """The anchor after the page carried it as text, and the prompt was edited."""
    carried = None if anchor is None else Anchor.read(anchor.text)
    assert carried == anchor
    return moved(carried, prompt, chips(tokenize(prompt)) if prompt.strip() else (), boxes)


def test_a_word_that_was_dropped_comes_back_until_another_is_selected():
    anchor = edit(None, "a cat", ("2", ""))
    for prompt, wanted in (("a ca", ""), ("a ", ""), ("", ""), ("the black cat", "3"), ("cat", "1")):
        anchor = edit(anchor, prompt, anchor.boxes)
        assert anchor.boxes == (wanted, "")
    anchor = edit(anchor, "dog", anchor.boxes)
    assert noted(anchor, anchor.boxes) == [
        "'cat' is no longer in the prompt; it was deselected, and every word is shown"
    ]
    anchor = edit(anchor, "dog, cat", ("1", ""))  # somebody chose the dog meanwhile
    assert anchor.boxes == ("1", "")
    assert noted(anchor, anchor.boxes) == []


def test_both_boxes_follow_and_what_is_dropped_of_them_is_said():
    anchor = edit(edit(None, "red hat, blue scarf", ("2, 1", "4")), "big red scarf", ("2, 1", "4"))
    assert anchor.boxes == ("2", "")
    assert noted(anchor, anchor.boxes) == [
        "'hat' and 'blue' are no longer in the prompt; they were deselected"
    ]


@pytest.mark.parametrize(
    ("boxes", "said"),
    [
        (("2", ""), []),
        (("9", ""), ["token 9 is padding, no word of the prompt"]),
        (("2, 9-11", ""), ["tokens 9-11 are padding, no words of the prompt"]),
        (("", "9"), ["token 9 is padding, no word of the prompt"]),
        (("90", ""), ["token 90 is not there; the prompt's tokens go from 0 (begin of text) to 76"]),
        (("x", ""), []),
    ],
)
def test_an_index_that_is_no_word_is_said(boxes: tuple[str, str], said: list[str]):
    assert noted(edit(None, "a cat", boxes), boxes) == said


@pytest.mark.parametrize(
    "text",
    [
        "",
        None,
        "x",
        "[]",
        "{}",
        "3",
        '{"prompt": 1, "chips": [[1]], "boxes": []}',
        '{"prompt":"","chips":[["word","x","1-"]],"boxes":["",""],"since":null}',
        "[" * 100_000,
    ],
)
def test_what_is_no_anchor_is_none(text: str | None):
    assert Anchor.read(text) is None


def test_boxes_that_came_with_a_prompt_are_of_it():
    anchor = Anchor.read(anchor_of("a cat"))
    assert moved(anchor, "a cat", chips(tokenize("a cat")), ("2", "")).boxes == ("2", "")
