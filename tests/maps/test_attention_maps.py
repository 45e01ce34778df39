from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from vxa.attention.sites import Site
from vxa.errors import HeadError, SettingError, SiteError, TokenIndexError, WordError
from vxa.maps.attention_maps import AttentionMaps, Provenance
from vxa.maps.refine import POWER, refine_maps
from vxa.tokens import Token


class Known:
    """Record of a site with hand-written values, [heads, tokens, height, width]."""

    def __init__(self, values: Tensor) -> None:
        self.values = values

    @property
    def heads(self) -> int:
        return self.values.shape[0]

    @property
    def token_count(self) -> int:
        return self.values.shape[1]

    @property
    def grid(self) -> tuple[int, int]:
        return (self.values.shape[2], self.values.shape[3])

    def tokens(self, indices: Any, heads: Any = None) -> Tensor:
        chosen = self.values if heads is None else self.values[list(heads)]
        return chosen[:, list(indices)].mean(0)

    def gather(self, values: Tensor) -> Tensor:
        return (values @ self.values.mean(0).flatten(1)).reshape(-1, *self.grid)


def token(index: int, text: str, word: int | None, special: Any = None) -> Token:
    return Token(index, index, text, word, special)


TOKENS = (
    token(0, "<bos>", None, "bos"),
    token(1, "red", 0),
    token(2, "scar", 1),
    token(3, "f", 1),
    token(4, "<eos>", None, "eos"),
    token(5, "<pad>", None, "pad"),
)
WIDE = Site("wide", "cross", "down", 0, 2, 2, "IN04")
TALL = Site("tall", "cross", "up", 1, 1, 1, "OUT05")


def make_maps(**changes: Any) -> AttentionMaps:
    """Build maps of a 2×3 site with two heads and a 4×6 site with one, for a 4×6 latent."""
    coarse = torch.arange(2 * 6 * 6, dtype=torch.float32).view(2, 6, 2, 3)
    fine = torch.arange(6 * 24, dtype=torch.float32).view(1, 6, 4, 6)
    given: dict[str, Any] = {
        "sites": (WIDE, TALL),
        "tokens": TOKENS,
        "image_size": (32, 48),
        "extent": (1.0, 1.0),
        "latent_size": (4, 6),
        "provenance": Provenance("model", "red scarf", 1, "none", 0),
        "records": {"wide": Known(coarse), "tall": Known(fine)},
        "default_sites": "down",
    }
    return AttentionMaps(**{**given, **changes})


def head_mean(index: int) -> np.ndarray[Any, Any]:
    """Return the coarse site's mean over its two heads: 6·index + 18 + 0 … 5."""
    return np.arange(6, dtype=np.float32).reshape(2, 3) + 6 * index + 18


def test_a_word_is_the_mean_of_its_tokens_and_heads() -> None:
    heat = make_maps().heat_map("scarf")
    assert np.array_equal(heat.values, head_mean(2) / 2 + head_mean(3) / 2)
    assert heat.values.dtype == np.float32
    assert (heat.words, heat.tokens, heat.sites, heat.scale) == (("scarf",), (2, 3), ("IN04",), "probability")


def test_words_weigh_the_same_however_many_tokens_they_have() -> None:
    maps = make_maps()
    expected = (maps.heat_map("red").values + maps.heat_map("scarf").values) / 2
    assert np.allclose(maps.heat_map("red, scarf").values, expected)
    assert np.allclose(maps.heat_map(["red", "scarf", "red"]).values, expected)


@pytest.mark.parametrize(
    ("tokens", "indices"),
    [
        (None, [1, 2, 3]),
        ("", [1, 2, 3]),
        ("all", [1, 2, 3, 4, 5]),
        ("0, 2-3", [0, 2, 3]),
        (0, [0]),
        ([3, 3, 1], [3, 1]),
        ((np.int64(5),), [5]),
    ],
)
def test_tokens(tokens: Any, indices: list[int]) -> None:
    heat = make_maps().heat_map(tokens=tokens)
    assert heat.tokens == tuple(indices)
    assert np.allclose(heat.values, np.mean([head_mean(i) for i in indices], axis=0))


@pytest.mark.parametrize(
    ("heads", "offset"),
    [(None, 18), ("mean", 18), ("", 18), (0, 0), ("1", 36), ("0, 1", 18), ([1], 36), ("0-1", 18)],
)
def test_heads(heads: Any, offset: int) -> None:
    assert np.array_equal(make_maps().heat_map(tokens=1, heads=heads).values, head_mean(1) - 18 + offset)


def test_sites_are_averaged_on_the_largest_grid() -> None:
    maps = make_maps()
    coarse, fine = (maps.heat_map("red", sites=site) for site in ("IN04", "OUT05"))
    both = maps.heat_map("red", sites="all")
    assert both.values.shape == (4, 6)
    assert np.allclose(both.values, (coarse.upsampled(4, 6) + fine.values) / 2)
    assert both.sites == ("IN04", "OUT05")
    assert np.array_equal(maps.heat_map("red", sites=["tall"]).values, fine.values)
    assert np.array_equal(maps.heat_map("red", sites="4x6").values, fine.values)


def test_the_original_formula_by_hand() -> None:
    heat = make_maps().heat_map("scarf", normalize="original")
    total = 2 * (head_mean(2) + head_mean(3))  # both heads, both tokens
    assert np.allclose(heat.values, total / total.max())
    assert heat.scale == "original"
    one = make_maps().heat_map("scarf", heads=1, normalize="original").values
    assert np.allclose(one, (head_mean(2) + head_mean(3) + 36) / (head_mean(2) + head_mean(3) + 36).max())


@pytest.mark.parametrize(
    ("question", "error", "message"),
    [
        ({"words": "scrf"}, WordError, "did you mean scarf"),
        ({"words": "red", "tokens": "1"}, SettingError, "both words 'red' and tokens '1'"),
        ({"tokens": "6"}, TokenIndexError, "from 0 .* to 5"),
        ({"tokens": -1}, TokenIndexError, "token index -1 .* from 0 to 5"),
        ({"tokens": [1.0]}, TokenIndexError, r"token index 1\.0"),
        ({"tokens": [True]}, TokenIndexError, "token index True"),
        ({"tokens": []}, TokenIndexError, "no token index was given"),
        ({"sites": "mid"}, SiteError, "the sites are IN04, OUT05"),
        ({"heads": 2}, HeadError, "head 2 .* from 0 to 1"),
        ({"heads": "a"}, HeadError, "no heads 'a' here; give \"mean\", or numbers from 0 to 1"),
        ({"heads": "2"}, HeadError, "no heads '2' here; .* from 0 to 1"),
        ({"heads": "1", "sites": "all"}, HeadError, "numbers from 0 to 0"),
        ({"normalize": "max"}, SettingError, "normalize 'max' is unknown"),
        ({"normalize": "original", "sites": "all"}, SiteError, "2 are chosen; give one of: IN04, OUT05"),
    ],
)
def test_a_question_that_has_no_answer(question: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make_maps().heat_map(**question)


def test_a_blank_beside_a_choice_is_no_choice() -> None:
    maps = make_maps()
    assert maps.heat_map(words=" ", tokens="1").tokens == (1,)
    assert maps.heat_map(words="red", tokens=" ").tokens == (1,)


def test_a_prompt_without_tokens_can_be_asked_by_index() -> None:
    maps = make_maps(tokens=(TOKENS[0], TOKENS[4]))
    with pytest.raises(TokenIndexError, match="no tokens of its own"):
        maps.heat_map()
    assert maps.heat_map(tokens="0-1").tokens == (0, 1)


def test_names() -> None:
    maps = make_maps()
    assert maps.site_labels == ("IN04", "OUT05")
    assert [word.text for word in maps.words] == ["red", "scarf"]


def test_refining_gathers_the_map_by_self_attention_on_its_own_grid() -> None:
    # The upper row of the 2×3 grid attends equally to the first two positions, the lower row to the last.
    attention = torch.zeros(1, 6, 2, 3)
    attention[:, :2, 0] = 0.5
    attention[:, 5, 1] = 1.0
    own = Site("own", "self", "down", 0, 1, 2, "IN04")
    maps = make_maps()
    refining = dataclasses.replace(maps, records={**maps.records, "own": Known(attention)}, self_sites=(own,))
    plain = maps.heat_map(tokens=1, sites="IN04")
    found = refining.heat_map(tokens=1, sites="IN04", refine=True)
    upper, lower = plain.values.ravel()[:2].mean(), plain.values.ravel()[5]
    gathered = np.array([[upper] * 3, [lower] * 3])
    assert upper != lower
    assert np.allclose(found.values, gathered - gathered.min())
    assert found.refined
    assert refining.heat_map(tokens=1, sites="OUT05", refine=True).values.shape == (2, 3)
    assert np.array_equal(refining.heat_map(tokens=1, sites="IN04").values, plain.values)


def test_a_refined_map_begins_at_its_lowest_place_within_the_image() -> None:
    attention = torch.zeros(1, 6, 2, 3)
    for place in range(3):  # upper row: each position attends to itself; lower row: all attend to the last
        attention[:, place, 0, place] = 1.0
    attention[:, 5, 1] = 1.0
    values = np.array([[4.0, 2.0, 3.0], [0.0, 0.0, 1.0]], np.float32)
    whole, above = (
        refine_maps([values[None]], [Known(attention)], extent)[0]  # type: ignore[list-item]
        for extent in ((1.0, 1.0), (0.5, 1.0))
    )
    assert np.allclose(whole, [[3, 1, 2], [0, 0, 0]])
    assert np.allclose(above, [[2, 0, 1], [0, 0, 0]])


def test_the_sites_of_a_refined_map_are_joined_by_their_power_mean() -> None:
    itself = Known(torch.eye(4).reshape(1, 4, 2, 2))  # each position attends only to itself
    first, second = np.array([[1, 2], [3, 4]], np.float32), np.array([[7, 2], [0, 0]], np.float32)
    (found,) = refine_maps([first[None], second[None]], [itself])  # type: ignore[list-item]
    expected = ((first**POWER + second**POWER) / 2) ** (1 / POWER)
    assert np.allclose(found, expected - expected.min())
    twice = refine_maps([np.stack([first, second])], [itself, itself])  # type: ignore[list-item]
    assert np.allclose(twice[0], first - 1)
    assert np.allclose(twice[1], second)


def test_refining_needs_self_attention() -> None:
    with pytest.raises(SettingError, match="have no self-attention"):
        make_maps().heat_map(tokens=1, refine=True)


@pytest.mark.parametrize(
    "asked",
    [{}, {"sites": "all"}, {"sites": "IN04", "heads": 1}, {"sites": "OUT05", "normalize": "original"}],
)
def test_several_choices_at_once_are_the_maps_of_each(asked: dict[str, Any]) -> None:
    maps = make_maps()
    choices = [(2, 3), 1, "0, 3", None, (3,)]
    for choice, heat in zip(choices, maps.heat_maps(tokens=choices, **asked), strict=True):
        alone = maps.heat_map(tokens=choice, **asked)
        assert np.allclose(heat.values, alone.values, rtol=1e-6)
        assert (heat.tokens, heat.sites, heat.scale) == (alone.tokens, alone.sites, alone.scale)


def test_a_site_is_asked_once_for_all_choices() -> None:
    asked: list[Any] = []

    class Counted(Known):
        def tokens(self, indices: Any, heads: Any = None) -> Tensor:
            asked.append(tuple(indices))
            return super().tokens(indices, heads)

    maps = make_maps(records={"wide": Counted(torch.ones(2, 6, 2, 3)), "tall": Known(torch.ones(1, 6, 4, 6))})
    maps.heat_maps(tokens=[(2, 3), 1, (3,)])
    assert asked == [(2, 3, 1)]
