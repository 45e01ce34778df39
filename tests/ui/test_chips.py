from __future__ import annotations

import re

from support.replayed import tokenize

from vxa.tokens import Token, image_tokens
from vxa.ui.chips import Chip, chips, chips_html, chosen_indices, indices_text


def test_a_word_is_one_chip_with_all_its_pieces():
    assert chips(tokenize("a neckerchief,")) == (
        Chip("bos", ("",), (0,)),
        Chip("word", ("a",), (1,)),
        Chip("word", ("neckerch", "ief"), (2, 3)),
        Chip("word", (",",), (4,)),
        Chip("eos", ("",), (5,)),
        Chip("pad", ("",), tuple(range(6, 77))),
    )


def test_a_concept_and_an_image_are_one_chip_each():
    concept = [Token(0, 7, "<toy>", 0, None), Token(1, 8, "", 0, None)]
    listed = chips((*concept, *image_tokens(3)[2:]))
    assert [(chip.kind, chip.pieces, chip.indices) for chip in listed] == [
        ("word", ("<toy>", ""), (0, 1)),
        ("image", ("",), (2,)),
    ]
    assert 'title="image, token 2"' in chips_html(listed)


def test_words_of_the_same_number_in_two_chunks_stay_apart():
    tokens = [Token(75, 5, "hat", 9, None), Token(77, 1, "", None, "bos"), Token(78, 5, "neck", 9, None)]
    assert [(chip.indices, chip.chunk) for chip in chips(tokens)] == [((75,), 0), ((77,), 1), ((78,), 1)]


def test_indices_are_written_as_the_box_has_them():
    assert indices_text((1, 3, 4, 5, 9, 10)) == "1, 3-5, 9, 10"
    assert indices_text(tuple(range(6, 77))) == "6-76"
    assert indices_text(()) == ""


def test_a_box_that_cannot_be_read_chooses_nothing():
    assert chosen_indices("1, 3-4", 77) == {1, 3, 4}
    assert chosen_indices("hat", 77) == chosen_indices("99", 77) == chosen_indices(" ", 77) == frozenset()


def buttons(html: str) -> dict[str, str]:
    """data-indices to aria-pressed."""
    return {
        indices: pressed
        for pressed, indices in re.findall(r'aria-pressed="(\w+)" data-indices="([^"]+)"', html)
    }


def test_the_chips_of_a_selection_are_pressed_and_a_word_only_when_it_is_whole():
    listed = chips(tokenize("a neckerchief"))
    assert buttons(chips_html(listed, "1, 2")) == {
        "0": "false", "1": "true", "2, 3": "false", "4": "false", "5-76": "false",
    }  # fmt: skip
    assert buttons(chips_html(listed, "2-3"))["2, 3"] == "true"


def test_what_a_prompt_holds_is_escaped():
    html = chips_html([Chip("word", ('<b onclick="x">', "&"), (1, 2))])
    assert "<b " not in html
    assert "&lt;b onclick=&quot;x&quot;&gt;" in html
    assert 'aria-label="&lt;b onclick=&quot;x&quot;&gt;&amp;, tokens 1 to 2"' in html


def test_weights_and_chunks_are_shown_where_there_are_any():
    plain = chips_html([Chip("word", ("hat",), (1,))])
    assert "vxa-weight" not in plain
    assert "vxa-chunk" not in plain
    weighted = chips_html([Chip("word", ("hat",), (1,), 1.3), Chip("word", ("neck",), (78,))])
    assert "×1.3" in weighted
    assert "weight 1.3" in weighted
    assert re.findall(r"chunk \d", weighted) == ["chunk 1", "chunk 2"]


def test_a_piece_that_holds_part_of_a_character_can_still_be_seen():
    assert "▯<small>1</small>" in chips_html([Chip("word", ("", "é"), (1, 2))])
