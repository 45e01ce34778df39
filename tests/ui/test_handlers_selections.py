"""Selections on a page whose prompt, or whose model, is another than that of its maps."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.replayed import PASS, PROMPT, same_pixels, saved_maps, tokenize

from vxa.errors import WordError
from vxa.pictures.render import render
from vxa.tokens import Token
from vxa.ui.anchor import Anchor, anchor_of
from vxa.ui.asked import Asked
from vxa.ui.chips import indices_text
from vxa.ui.handlers import Handlers

LONGER = "a big red hat, neckerchief"


def edited(handlers: Handlers, selection: str = "", against: str = "", **asked: Any) -> Asked:
    """What is asked after the prompt of the maps became the longer one."""
    before = handlers.edited(PROMPT)
    now = handlers.edited(LONGER, before.anchor, selection, against)
    return Asked(now.selection, against=now.against, anchor=now.anchor, **asked)


def test_a_picture_stays_that_of_its_word_when_the_prompt_is_edited(
    handlers: Handlers, page_id: str, image_file: Path
):
    asked = edited(handlers, "3")
    assert asked.selection == "4"  # where the old prompt has a comma
    wanted = render(saved_maps(PROMPT), image_file, "overlay", tokens="3")
    assert same_pixels(handlers.picture(page_id, asked), wanted)
    line, python = handlers.command(page_id, asked)
    assert shlex.split(line)[shlex.split(line).index("--tokens") + 1] == "3"
    assert "tokens='3'" in python


def test_a_word_that_the_picture_does_not_have_is_refused(handlers: Handlers, page_id: str):
    asked = replace(edited(handlers), selection="2")
    said = "the picture's prompt has no 'big'; press Visualize to look again with the prompt as it is now"
    with pytest.raises(WordError, match=re.escape(said)):
        handlers.picture(page_id, asked)
    other = replace(edited(handlers, "3"), against="2")
    assert handlers.picture(page_id, other)  # nothing is compared
    with pytest.raises(WordError, match="no 'big'"):
        handlers.picture(page_id, replace(other, mode="difference"))


def test_a_press_before_the_page_knows_of_the_edit_shows_the_word(handlers: Handlers, image_file: Path):
    asked = Asked("3", anchor=handlers.edited(PROMPT).anchor)
    handlers.run("mine", str(image_file), LONGER, *PASS)
    settled = handlers.settled("mine", asked)
    assert (settled.selection, settled.anchor) == ("4", "")
    wanted = render(saved_maps(LONGER), image_file, "overlay", tokens="4")
    assert same_pixels(handlers.picture("mine", settled), wanted)
    handlers.run("mine", str(image_file), "a dog", *PASS)
    assert handlers.settled("mine", asked).selection == ""


def test_a_selection_that_came_with_its_prompt_is_of_it(handlers: Handlers, image_file: Path, page_id: str):
    pasted = Asked("4", anchor=anchor_of(LONGER))
    wanted = render(saved_maps(PROMPT), image_file, "overlay", tokens="3")
    assert same_pixels(handlers.picture(page_id, pasted), wanted)
    assert handlers.picture(page_id, Asked("4", anchor=anchor_of(PROMPT)))
    now = handlers.edited("hat", pasted.anchor, "4", "")
    assert (now.selection, now.renumbered) == ("1", True)
    assert not handlers.edited(LONGER, handlers.edited(LONGER).anchor, "4", "").renumbered


def test_a_stray_anchor_of_the_page_is_none(handlers: Handlers, page_id: str, image_file: Path):
    wanted = render(saved_maps(PROMPT), image_file, "overlay", tokens="3")
    assert same_pixels(handlers.picture(page_id, Asked("3", anchor="{")), wanted)


def test_the_words_at_a_spot_choose_their_tokens_in_the_prompt_as_it_is(handlers: Handlers, page_id: str):
    plain = handlers.words_at(page_id, Asked(), 5, 9)
    found = handlers.words_at(page_id, edited(handlers), 5, 9)
    assert [value for _, value in found.words] == [value for _, value in plain.words]
    assert {word.text: word.tokens for word, _ in found.words} == {
        "a": (1,), "red": (3,), "hat": (4,), "neckerchief": (6, 7),
    }  # fmt: skip
    handlers.picture_file(page_id, Asked(mode="overlay"))
    region = handlers.pictures.image_regions(page_id)[0]
    shown = handlers.words_in_picture(page_id, edited(handlers), region.left + 5, region.top + 9)
    assert {word.text: word.tokens for word, _ in shown.words}["hat"] == (4,)


def test_a_word_at_a_spot_that_the_prompt_has_not_is_no_button(handlers: Handlers, page_id: str):
    from vxa.ui.spot import spot_html

    now = handlers.edited("a hat", handlers.edited(PROMPT).anchor)
    found = handlers.words_at(page_id, Asked(anchor=now.anchor), 5, 9)
    html = spot_html(found)
    assert sorted(re.findall(r'data-indices="(.*?)"', html)) == ["1", "2"]
    assert "<li><span>red</span>" in html


def test_another_tokenizer_moves_the_selection(handlers: Handlers, page_id: str, image_file: Path):
    """As after another checkpoint was chosen: the prompt is the same, its tokens are not."""
    before = handlers.edited(PROMPT)

    def whole_words(prompt: str) -> tuple[Token, ...]:
        tokens = [token for token in tokenize(prompt) if token.special != "pad"]
        joined = [token for token in tokens if token.text != "ief"]
        return tuple(replace(token, index=index) for index, token in enumerate(joined))

    object.__setattr__(handlers.backend, "tokenize", lambda prompt: whole_words(prompt.replace("red ", "")))
    now = handlers.edited(PROMPT, before.anchor, "3", "2")
    assert (now.selection, now.against, now.renumbered) == ("2", "", True)
    assert handlers.noted(now.anchor, now.selection, now.against) == [
        "'red' is no longer in the prompt; it was deselected"
    ]
    asked = Asked(now.selection, anchor=now.anchor)
    wanted = render(saved_maps(PROMPT), image_file, "overlay", tokens="3")
    assert same_pixels(handlers.picture(page_id, asked), wanted)
    wanted_peek = handlers.peek(page_id, PROMPT, Asked(), "3 #7")
    assert handlers.peek(page_id, PROMPT, replace(asked, selection=""), "2 #7") == wanted_peek != ""


def test_an_anchor_is_small(handlers: Handlers):
    """It goes to the server with every event."""
    anchor = Anchor.read(handlers.edited("a red hat " * 20).anchor)
    assert anchor is not None
    assert len(anchor.text) < 5000
    assert indices_text(anchor.chips[-1].indices) == "62-76"
