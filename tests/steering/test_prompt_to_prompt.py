"""Prompt-to-prompt: its identities, and its two products against the formula with two maps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.generating import PROMPT
from support.steering import make_steered

import vxa
from vxa.errors import SettingError, WordError
from vxa.steering import PromptToPrompt, steer
from vxa.steering.alignment import align

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SOURCE, TARGET, LONGER = "a red hat", "a red neck", "a red hat and neck"


def test_the_source_is_its_row_of_the_plain_batch_bit_for_bit(pipeline: Any) -> None:
    plain = make_steered(pipeline, [SOURCE, TARGET])
    edited = make_steered(pipeline, [SOURCE, TARGET], PromptToPrompt(reweight={"red": 2}))
    assert torch.equal(edited[0], plain[0])
    assert not torch.equal(edited[1], plain[1])


@pytest.mark.parametrize("shares", [(1.0, 1.0), (0.7, 0.4), (1.0, 0.0)])
def test_the_same_prompt_twice_is_the_source(shares: tuple[float, float], pipeline: Any) -> None:
    control = PromptToPrompt(cross_until=shares[0], self_until=shares[1])
    edited = make_steered(pipeline, [SOURCE, SOURCE], control)
    assert torch.allclose(edited[1], edited[0], atol=1e-5)


def test_it_is_the_formula_with_two_maps(sd_pipeline: Any) -> None:
    """α F(A_source) + (1 - α) A_target, times the words' factors, times V, in float64."""
    tokens = [vxa.load(sd_pipeline).tokenize(text) for text in (SOURCE, LONGER)]
    found = []

    class Checked(PromptToPrompt):
        def attend(self, call: Any, run: Any, compute: Any) -> torch.Tensor:
            product = super().attend(call, run, compute)
            if call.site.kind == "cross":
                scale = call.query.shape[-1] ** -0.5
                maps = (call.query.double() @ call.key.double().transpose(2, 3) * scale).softmax(-1)
                alignment = align(*tokens)
                until = torch.full((77,), 0.7)
                until[2] = 0.3
                alpha = (run.step < (until * 3).round()).double() * alignment.follows
                factors = torch.ones(77)
                factors[2] = 2
                mixed = (maps[2] @ alignment.matrix.double()) * alpha + maps[3] * (1 - alpha)
                expected = mixed * factors @ call.value[3].double()
                found.append(float((product[3].double() - expected).abs().max()))
                assert torch.equal(product[:3], compute(call)[:3])
            return product

    control = Checked(cross_until=0.7, words_until={"red": 0.3}, reweight={"red": 2.0}, self_until=0.4)
    make_steered(sd_pipeline, [SOURCE, LONGER], control)
    assert len(found) == 3 * 11
    assert max(found) < 1e-6


def test_a_trace_shows_the_mixture(sd_pipeline: Any) -> None:
    with vxa.trace(sd_pipeline, sites="IN01") as trace, steer(sd_pipeline, PromptToPrompt(cross_until=1)):
        sd_pipeline(
            [SOURCE, TARGET], num_inference_steps=1, height=16, width=16, output_type="latent",
            generator=[torch.Generator().manual_seed(1) for _ in range(2)],
        )  # fmt: skip
    source, target = trace.maps
    assert float(abs(source.heat_map("hat").values - target.heat_map("neck").values).max()) < 1e-6


def test_the_self_attention_is_the_sources_on_coarse_grids(sd_pipeline: Any) -> None:
    seen = []

    class Checked(PromptToPrompt):
        def attend(self, call: Any, run: Any, compute: Any) -> torch.Tensor:
            def noted(edited: Any) -> torch.Tensor:
                if edited.site.kind == "self":
                    same = torch.equal(edited.query[3], call.query[2]) and torch.equal(
                        edited.key[3], call.key[2]
                    )
                    assert torch.equal(edited.value, call.value)
                    seen.append((edited.site.factor, run.step, same))
                return compute(edited)

            return super().attend(call, run, noted)

    make_steered(sd_pipeline, [SOURCE, TARGET], Checked(self_until=0.4), num_inference_steps=5)
    assert {step for _, step, _ in seen} == {0, 1}
    assert {factor for factor, _, _ in seen} == {2, 4}
    assert all(same for _, _, same in seen)


def test_the_blend_keeps_the_source_where_the_words_are_not(sd_pipeline: Any) -> None:
    control = PromptToPrompt(local_blend="hat", blend_threshold=0.99)
    edited = make_steered(sd_pipeline, [SOURCE, TARGET], control, height=32, width=16)
    same = (edited[0] == edited[1]).all(0)
    assert same.any()
    assert not same.all()


@pytest.mark.parametrize("word", ["hat", "neck"])
def test_the_blends_word_is_found_in_either_prompt(word: str, sd_pipeline: Any) -> None:
    found = []

    class Checked(PromptToPrompt):
        def begin(self) -> None:
            super().begin()
            found.append(self._blend.words)

    make_steered(sd_pipeline, [SOURCE, TARGET], Checked(local_blend=word))
    assert found == [{0: (3,), 1: (3,)}]


def test_three_pictures_are_edited_at_once(sd_pipeline: Any) -> None:
    both = make_steered(sd_pipeline, [SOURCE, TARGET, LONGER], PromptToPrompt())
    for number, prompt in ((1, TARGET), (2, LONGER)):
        alone = make_steered(sd_pipeline, [SOURCE, prompt], PromptToPrompt())
        assert torch.allclose(both[number], alone[1], atol=1e-5)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"cross_until": 1.5}, SettingError, "cross_until 1.5 is out of range"),
        ({"words_until": {"hat": 2}}, SettingError, "words_until of 'hat' is 2; give a number from 0 to 1"),
        ({"reweight": {"hat": -1}}, SettingError, "reweight of 'hat' is -1"),
        ({"reweight": {"cat": 2}}, WordError, "reweight: .*'cat' is not in the prompt"),
        ({"local_blend": "cat"}, WordError, "local_blend: 'cat' is in none of the prompts"),
    ],
)
def test_bad_settings_are_told(given: Any, error: Any, message: str, sd_pipeline: Any) -> None:
    with pytest.raises(error, match=message):
        make_steered(sd_pipeline, [SOURCE, TARGET], PromptToPrompt(**given))


def test_alignment(sd_pipeline: Any) -> None:
    tokenize = vxa.load(sd_pipeline).tokenize
    swapped = align(tokenize(SOURCE), tokenize(TARGET)).matrix
    assert torch.equal(swapped, torch.eye(77))
    kept = align(tokenize(SOURCE), tokenize(TARGET), replace=False)
    assert [int(kept.follows[index]) for index in (1, 2, 3, 4)] == [1, 1, 0, 1]
    longer = align(tokenize(SOURCE), tokenize(LONGER))
    assert longer.to_target((3,)) == (3,)
    assert [int(longer.follows[index]) for index in (3, 4, 5, 6)] == [1, 0, 0, 1]
    pieces = align(tokenize("a hat"), tokenize("a cup"))  # "cup" has three tokens
    assert pieces.matrix[2, 2:5].tolist() == pytest.approx([1 / 3] * 3)
    assert pieces.to_target((2,)) == (2, 3, 4)
    assert pieces.to_source((3,)) == (2,)
    assert float(align(tokenize(PROMPT), tokenize(PROMPT)).matrix.trace()) == 77
