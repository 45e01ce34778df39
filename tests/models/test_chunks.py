from itertools import chain

import pytest

from vxa.models.chunks import CHUNK, name_tokens, padded_ids, split_chunks
from vxa.tokens import words

COMMA = 7


def test_a_short_prompt_is_one_chunk() -> None:
    assert split_chunks([1, COMMA, 2], COMMA) == [[1, COMMA, 2]]
    assert split_chunks([], COMMA) == [[]]
    assert split_chunks([1] * 75, COMMA) == [[1] * 75]


def test_a_long_prompt_goes_on_in_the_next_chunk() -> None:
    ids = list(range(100, 260))
    assert [len(chunk) for chunk in split_chunks(ids, COMMA)] == [75, 75, 10]
    assert list(chain(*split_chunks(ids, None))) == ids


@pytest.mark.parametrize(
    ("comma_at", "first"),
    [
        (55, 56),  # the 20th from the end: break after it
        (54, 75),  # too far back
        (74, 75),
        (75, 75),  # the comma itself overflows, and opens the next chunk
    ],
)
def test_an_overflow_breaks_at_a_near_comma(comma_at: int, first: int) -> None:
    ids = [1] * 90
    ids[comma_at] = COMMA
    chunks = split_chunks(ids, COMMA)
    assert [len(chunk) for chunk in chunks] == [first, 90 - first]
    assert list(chain(*chunks)) == ids


def test_a_chunk_is_padded_to_77() -> None:
    assert padded_ids([5, 6], bos=1, eos=2, pad=3) == [1, 5, 6, 2, *[3] * 73]
    assert padded_ids([5] * 75, bos=1, eos=2, pad=3) == [1, *[5] * 75, 2]


def test_names_run_on_over_chunks() -> None:
    pieces = {10: "ha", 11: "t</w>", 12: "<cat>", 13: "a</w>"}
    tokens = name_tokens([[13, 10], [11, 12, 13]], (1, 2, 2), pieces.__getitem__, whole={12})
    assert [token.index for token in tokens] == list(range(2 * CHUNK))
    assert [(t.index, t.text, t.word) for t in tokens if t.special is None] == [
        (1, "a", 0),
        (2, "ha", 1),
        (78, "t", 1),
        (79, "<cat>", 2),
        (80, "a", 3),
    ]
    assert [tokens[i].special for i in (0, 3, 4, 76, 77, 81, 82)] == [
        "bos",
        "eos",
        "pad",
        "pad",
        "bos",
        "eos",
        "pad",
    ]
    assert tokens[4].text == "<pad>"


def test_a_concept_is_one_word_of_all_its_vectors() -> None:
    """Ids 20, 21, 22 are a concept's vectors, 20 the one that is named; the second concept ends the chunk."""
    follows, pieces = {21: 20, 22: 21}, {13: "a</w>", 14: ",</w>", 20: "<toy>", 21: "<toy>_1", 22: "<toy>_2"}
    ids = [[13, 20, 21, 22, 20, 21, 22, 14], [20, 21], [22, 21, 13]]
    tokens = name_tokens(ids, (1, 2, 2), pieces.__getitem__, {20, 21, 22}, follows)
    assert [(word.text, word.tokens) for word in words(tokens)] == [
        ("a", (1,)),
        ("<toy>", (2, 3, 4)),
        ("<toy>", (5, 6, 7)),
        (",", (8,)),
        ("<toy>", (78, 79, 155)),
        ("<toy>_1", (156,)),
        ("a", (157,)),
    ]


@pytest.mark.parametrize(("before", "first"), [(72, 75), (73, 73), (75, 75)])
def test_a_concept_is_not_split_between_chunks(before: int, first: int) -> None:
    ids = [*[1] * before, 20, 21, 22, 1]
    chunks = split_chunks(ids, COMMA, {21: 20, 22: 21})
    assert [len(chunk) for chunk in chunks] == [first, before + 4 - first]
    assert list(chain(*chunks)) == ids


def test_a_concept_longer_than_a_chunk_is_split() -> None:
    ids = [1, *range(100, 180)]
    chunks = split_chunks(ids, COMMA, {number: number - 1 for number in range(101, 180)})
    assert [len(chunk) for chunk in chunks] == [75, 6]


def test_a_characters_bytes_may_be_spread_over_pieces() -> None:
    # U+1F600 is f0 9f 98 80, in a byte-level vocabulary the letters ð Ł ĺ Ģ.
    pieces = {1: "ðŁ", 2: "ĺ", 3: "Ģ</w>"}
    tokens = name_tokens([[1, 2, 3]], (0, 0, 0), pieces.__getitem__)
    assert [token.text for token in tokens[1:4]] == ["", "", "😀"]


def test_bytes_cut_short_are_shown_as_such() -> None:
    tokens = name_tokens([[1, 2]], (0, 0, 0), {1: "ð</w>", 2: "a</w>"}.__getitem__)
    assert [token.text for token in tokens[1:3]] == ["\ufffd", "a"]
