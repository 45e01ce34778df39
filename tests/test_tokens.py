import pytest
from hypothesis import given
from hypothesis import strategies as st

from vxa.errors import TokenIndexError, WordError
from vxa.tokens import Token, Word, find_words, parse_indices, words


def make_tokens(*pieces: str) -> tuple[Token, ...]:
    """Tokens of a prompt given word by word, a word's pieces joined by "|", between begin and end."""
    tokens = [Token(0, 900, "<bos>", None, "bos")]
    for number, word in enumerate(pieces):
        for piece in word.split("|"):
            tokens.append(Token(len(tokens), len(tokens) + 100, piece, number, None))
    tokens.append(Token(len(tokens), 901, "<eos>", None, "eos"))
    tokens.append(Token(len(tokens), 901, "<pad>", None, "pad"))
    return tuple(tokens)


# indices            1     2      3    4     5,6       7    8      9    10    11   12  13
PROMPT = make_tokens("a", "red", "hat", ",", "sc|arf", "a", "red", "t", "-", "hat", "#", "7")


def test_words_join_their_pieces_and_leave_specials_out() -> None:
    assert words(PROMPT)[:5] == (
        Word("a", (1,)),
        Word("red", (2,)),
        Word("hat", (3,)),
        Word(",", (4,)),
        Word("scarf", (5, 6)),
    )
    assert len(words(PROMPT)) == 12


def test_a_word_may_hold_spaces() -> None:
    """The name of a textual inversion in a webui."""
    prompt = make_tokens("a", "ink  style||", "cat", "ink")
    for selection in ("ink style", "Ink  Style", "a ink style", "ink style cat"):
        assert 2 in find_words(prompt, selection)[0].tokens
    assert find_words(prompt, "ink style") == (Word("ink  style", (2, 3, 4)),)
    assert find_words(prompt, "ink") == (Word("ink", (6,)),)
    with pytest.raises(WordError):
        find_words(prompt, "style")


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("scarf", [Word("scarf", (5, 6))]),
        ("HAT", [Word("hat", (3,)), Word("hat", (11,))]),
        ("hat#2", [Word("hat", (11,))]),
        ("hat #1", [Word("hat", (3,))]),
        ("red hat", [Word("red hat", (2, 3))]),
        ("scarf, hat#1", [Word("scarf", (5, 6)), Word("hat", (3,))]),
        ("hat, hat", [Word("hat", (3,)), Word("hat", (11,))]),
        ("red T-hat", [Word("red t-hat", (8, 9, 10, 11))]),
        (",", [Word(",", (4,))]),
        (["hat, scarf"], [Word("hat, scarf", (3, 4, 5, 6))]),
        ("#7", [Word("#7", (12, 13))]),
        ("hat#7", [Word("hat#7", (11, 12, 13))]),  # the prompt's own text comes before an occurrence
    ],
)
def test_find_words(selection: str | list[str], expected: list[Word]) -> None:
    assert find_words(PROMPT, selection) == tuple(expected)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (
            "hta",
            r"'hta' is not in the prompt; did you mean .*hat.*\? its words are: a, red, hat, scarf, t, 7",
        ),
        ("hat, boat", "'boat' is not in the prompt"),
        ("redhat", "'redhat' is not in the prompt"),
        ("ha", "'ha' is not in the prompt"),
        ("hat red", "'hat red' is not in the prompt"),
        ("hat#3", "asks for occurrence 3, but 'hat' is in the prompt 2 times; write hat#1 to hat#2"),
        ("scarf#0", "occurrence 0, but 'scarf' is in the prompt 1 time;"),
        ("boat#2", "'boat' is not in the prompt"),
        ("hat,,red", "empty entry"),
        ("hat,", "empty entry"),
        ("", "empty entry"),
        ([], "empty entry"),
    ],
)
def test_a_word_that_is_not_there(selection: str | list[str], message: str) -> None:
    with pytest.raises(WordError, match=message):
        find_words(PROMPT, selection)


def test_a_word_error_lists_some_of_many_words() -> None:
    with pytest.raises(WordError, match=r"w19 and 80 more$"):
        find_words(make_tokens(*(f"w{n}" for n in range(100))), "q")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", (0,)), ("1, 3-5", (1, 3, 4, 5)), ("5,1 , 5", (5, 1)), (" 2 - 2 ", (2,)), ("007", (7,))],
)
def test_parse_indices(text: str, expected: tuple[int, ...]) -> None:
    assert parse_indices(text, 8) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8", "index 8 in '8' is out of range; the indices go from 0 .* to 7"),
        ("1-8", "index 8 .* out of range"),
        ("9" * 5000, "out of range"),
        ("-1", "negative index '-1'"),
        ("5-3", "'5-3' in '5-3' is reversed; write 3-5"),
        ("a", "holds 'a', which is not an index"),
        ("²", "not an index"),
        ("1.5", "not an index"),
        ("1-2-3", "not an index"),
        ("1,,3", "empty entry"),
        ("1,", "empty entry"),
        ("", "empty entry"),
        ("1-", "range without an end, '1-'"),
    ],
)
def test_an_index_list_that_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(TokenIndexError, match=message):
        parse_indices(text, 8)


RANGES = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 30)), min_size=1, max_size=6)


@given(RANGES, st.sampled_from(["", " "]))
def test_indices_are_what_the_list_says(ranges: list[tuple[int, int]], space: str) -> None:
    text = f"{space},{space}".join(f"{a}-{a + n}" if n else str(a) for a, n in ranges)
    indices = parse_indices(text, 231)
    assert set(indices) == {i for a, n in ranges for i in range(a, a + n + 1)}
    assert len(set(indices)) == len(indices)


@given(st.text(alphabet="0123456789-, a", max_size=12), st.integers(1, 30))
def test_any_text_gives_indices_in_range_or_a_clear_error(text: str, count: int) -> None:
    try:
        indices = parse_indices(text, count)
    except TokenIndexError:
        return
    assert indices
    assert all(0 <= index < count for index in indices)


LETTERS = st.text(alphabet="abcé😀א", min_size=1, max_size=4)


@given(st.lists(LETTERS, min_size=1, max_size=8), st.data())
def test_every_run_of_the_prompts_words_is_found(pieces: list[str], data: st.DataObject) -> None:
    tokens = make_tokens(*pieces)
    start = data.draw(st.integers(0, len(pieces) - 1))
    end = data.draw(st.integers(start + 1, len(pieces)))
    found = find_words(tokens, [" ".join(pieces[start:end]).upper()])
    texts = {token.index: token.text for token in tokens}
    for word in found:
        assert "".join(texts[index] for index in word.tokens) == "".join(pieces[start:end])


@given(st.text(max_size=12))
def test_any_text_finds_words_of_the_prompt_or_a_word_error(selection: str) -> None:
    try:
        found = find_words(PROMPT, selection)
    except WordError:
        return
    assert found
    assert all(PROMPT[index].special is None for word in found for index in word.tokens)
