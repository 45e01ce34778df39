"""The webui's chunks as tokens: emphasis, BREAK, textual inversion, prompts of several chunks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from support.fake_host import FakeHost

from vxa.tokens import find_words, words

BEGIN, END = 90, 91
PIECES = {1: "a</w>", 2: "neck", 3: "erchief</w>", 4: "hat</w>"}


def chunk(*ids: int, weights: dict[int, float] | None = None, fixes: tuple[Any, ...] = ()) -> Any:
    """A chunk of 77 positions as the webui has it: positions after the last token hold the end token."""
    multipliers = [(weights or {}).get(place, 1.0) for place in range(77)]
    tokens = [BEGIN, *ids, *[END] * (76 - len(ids))]
    return SimpleNamespace(tokens=tokens, multipliers=multipliers, fixes=list(fixes))


def embedding(offset: int, name: str, vectors: int) -> Any:
    return SimpleNamespace(offset=offset, embedding=SimpleNamespace(name=name, vectors=vectors))


@pytest.fixture
def chunk_tokens(host: FakeHost) -> Any:
    from vxa.webui.host.prompts import chunk_tokens

    return lambda *chunks, pad=END: chunk_tokens(chunks, (BEGIN, END, pad), PIECES.__getitem__)


def test_pieces_specials_and_weights(chunk_tokens: Any) -> None:
    tokens = chunk_tokens(chunk(1, 2, 3, 4, weights={2: 1.5, 3: 1.5}))
    assert [(word.text, word.tokens) for word in words(tokens)] == [
        ("a", (1,)),
        ("neckerchief", (2, 3)),
        ("hat", (4,)),
    ]
    assert [token.weight for token in tokens[:5]] == [1.0, 1.0, 1.5, 1.5, 1.0]
    assert [token.special for token in tokens[:7]] == ["bos", None, None, None, None, "eos", "pad"]
    assert [token.id for token in tokens[:6]] == [BEGIN, 1, 2, 3, 4, END]


def test_an_index_counts_whole_chunks(chunk_tokens: Any) -> None:
    """A chunk that is not full, as before BREAK, and a full one of 75 tokens."""
    tokens = chunk_tokens(chunk(1, 4), chunk(*[1] * 75), chunk(4))
    assert len(tokens) == 3 * 77
    assert [word.tokens for word in words(tokens) if word.text == "hat"] == [(2,), (155,)]
    assert tokens[77].special == "bos"
    assert (tokens[152].special, tokens[153].special, tokens[154].special) == (None, "eos", "bos")


def test_an_embedding_is_one_word_of_its_vectors(chunk_tokens: Any) -> None:
    fixes = (embedding(1, "ink style", 3), embedding(4, "dot", 1))
    tokens = chunk_tokens(chunk(1), chunk(1, 0, 0, 0, 0, 4, fixes=fixes, weights={2: 0.5, 3: 0.5, 4: 0.5}))
    found = [(word.text, word.tokens) for word in words(tokens)]
    assert found == [("a", (1,)), ("a", (78,)), ("ink style", (79, 80, 81)), ("dot", (82,)), ("hat", (83,))]
    assert [word.tokens for word in find_words(tokens, "Ink style, dot")] == [(79, 80, 81), (82,)]
    assert [token.weight for token in tokens[78:83]] == [1.0, 0.5, 0.5, 0.5, 1.0]
    assert {token.id for token in tokens[79:83]} == {0}


def test_an_embedding_twice_is_two_words(chunk_tokens: Any) -> None:
    fixes = (embedding(0, "ink", 2), embedding(2, "ink", 2))
    tokens = chunk_tokens(chunk(0, 0, 0, 0, 4, fixes=fixes))
    assert [word.tokens for word in words(tokens)] == [(1, 2), (3, 4), (5,)]


def test_an_empty_prompt_has_no_words(chunk_tokens: Any) -> None:
    tokens = chunk_tokens(chunk())
    assert [token.special for token in tokens[:3]] == ["bos", "eos", "pad"]
    assert not words(tokens)


def test_sd2_fills_with_another_id(chunk_tokens: Any) -> None:
    assert [token.id for token in chunk_tokens(chunk(4), pad=0)[:4]] == [BEGIN, 4, END, 0]
