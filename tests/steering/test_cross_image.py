"""Cross-image attention: its identity, its product against the formula, and what a trace says under it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.generating import OTHER, PROMPT
from support.steering import make_steered

import vxa
from vxa.errors import SettingError, SteeringError, WordError
from vxa.steering import CrossImageAttention, steer
from vxa.steering.style_aligned import adain

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

PROMPTS = [PROMPT, OTHER, "a red hat"]
WHOLE: dict[str, Any] = {"swap_from": 0, "coarse_until": 1, "fine_until": 1}
BARE: dict[str, Any] = {"contrast": 1, "normalize": False}


@pytest.mark.parametrize("guidance", [1.0, 3.5])
def test_the_appearance_of_the_structure_itself_is_the_structure(guidance: float, pipeline: Any) -> None:
    control = CrossImageAttention(guidance=guidance, **WHOLE, **BARE)
    made = make_steered(pipeline, [PROMPT] * 3, control)
    assert torch.allclose(made[2], made[0], atol=1e-5)


@pytest.mark.parametrize("given", [{}, {"guidance": 3.5}, {"things": "neck"}, {"clip": True}])
def test_structure_and_appearance_are_their_rows_of_the_plain_batch(given: Any, pipeline: Any) -> None:
    plain = make_steered(pipeline, PROMPTS)
    made = make_steered(pipeline, PROMPTS, CrossImageAttention(**WHOLE, **given))
    assert torch.equal(made[:2], plain[:2])
    assert not torch.allclose(made[2], plain[2], atol=1e-3)


def test_outside_its_windows_it_is_plain_bit_for_bit(pipeline: Any) -> None:
    control = CrossImageAttention(swap_from=0.9, coarse_until=0.4, fine_until=0.4, normalize=False)
    control.only_looks = True  # type: ignore[misc]
    assert torch.equal(make_steered(pipeline, PROMPTS, control), make_steered(pipeline, PROMPTS))


@pytest.mark.parametrize("clip", [False, True])
def test_the_product_is_the_papers(clip: bool, sd_pipeline: Any) -> None:
    """β (A - 1/M) + 1/M over the appearance's keys, times its values, in float64."""
    errors, steps = [], set()

    class Checked(CrossImageAttention):
        def attend(self, call: Any, run: Any, compute: Any) -> torch.Tensor:
            product = super().attend(call, run, compute)
            assert call.site.part == "up"
            steps.add((call.site.factor, run.step))
            for output, appearance in ((2, 1), (5, 4)):
                query = call.query[output].double()
                key, value = (each[appearance].double() for each in (call.key, call.value))
                attention = (query @ key.transpose(1, 2) / query.shape[-1] ** 0.5).softmax(-1)
                raised = 3 * (attention - 1 / key.shape[1]) + 1 / key.shape[1]
                expected = (raised.clamp(0, 1) if clip else raised) @ value
                errors.append(float((expected - product[output]).abs().max()))
            rest = [0, 1, 3, 4]
            assert torch.equal(product[rest], compute(call)[rest])
            return product

    control = Checked(swap_from=0.2, coarse_until=0.4, fine_until=0.8, contrast=3, clip=clip, guidance=1)
    make_steered(sd_pipeline, PROMPTS, control, num_inference_steps=5)
    assert steps == {(2, 1), (1, 1), (1, 2), (1, 3)}
    assert max(errors) < 1e-5


def test_guidance_leads_from_the_plain_prediction(sd_pipeline: Any) -> None:
    factors = []

    class Checked(CrossImageAttention):
        def predict(self, sample: Any, run: Any, predict: Any) -> torch.Tensor:
            made = []

            def noted(*given: Any, **named: Any) -> torch.Tensor:
                made.append(predict(*given, **named))
                return made[-1]  # type: ignore[no-any-return]

            result = super().predict(sample, run, noted)
            plain, swapped = made
            assert torch.equal(plain, predict(sample, heard=False)) is False  # the layers are swapped again
            change = (swapped - plain)[2].flatten()
            factors.append(float((result - plain)[2].flatten() @ change / (change @ change)))
            return result

    control = Checked(guidance=3, normalize=False, **WHOLE)
    make_steered(sd_pipeline, PROMPTS, control)
    assert factors == pytest.approx([3, 2.25, 1.5], abs=1e-3)


@pytest.mark.parametrize("things", ["", "neck"])
def test_latents_take_the_appearances_moments(things: str, sd_pipeline: Any) -> None:
    found = []

    class Checked(CrossImageAttention):
        def edit_latents(self, latents: Any, run: Any) -> torch.Tensor:
            edited = super().edit_latents(latents, run)
            if run.step < 1:
                assert edited is latents
                return edited
            one, other = (
                torch.ones(16, 8, dtype=torch.bool) if mask is None else mask
                for mask in (self._maps.mask(0), self._maps.mask(1))
            )
            expected = adain(latents[2][:, one].T[None, None], latents[1][:, other].T[None, None])[0, 0].T
            found.append(int(one.sum()))
            assert torch.equal(edited[:2], latents[:2])
            assert torch.equal(edited[2][:, one], expected)
            assert torch.equal(edited[2][:, ~one], latents[2][:, ~one])
            return edited

    control = Checked(normalize_from=0.4, things=things, threshold=0.99)
    make_steered(sd_pipeline, PROMPTS, control, height=32, width=16)
    assert len(found) == 2
    assert all((count < 128) == bool(things) for count in found)


@pytest.mark.parametrize("guidance", [1.0, 3.5])
def test_a_trace_gives_an_output_no_attention_to_itself_where_it_is_swapped(
    guidance: float, sd_pipeline: Any
) -> None:
    """Its self-attention at the swapped layer is that of the steps before, and the others' are their own."""
    given: dict[str, Any] = {"sites": "IN01", "self_attention": "OUT08"}
    with vxa.trace(sd_pipeline, **given) as plain:
        make_steered(sd_pipeline, PROMPTS)
    control = CrossImageAttention(**{**WHOLE, "swap_from": 0.4}, guidance=guidance)
    with vxa.trace(sd_pipeline, **given) as trace, steer(sd_pipeline, control):
        make_steered(sd_pipeline, PROMPTS)
    ones = torch.ones(1, 8 * 4)
    sums = []
    for image in range(3):
        own = [
            next(record for name, record in maps[image].records.items() if name.endswith("attn1"))
            for maps in (plain.maps, trace.maps)
        ]
        sums.append([float(record.gather(ones).mean()) for record in own])
    assert sums[0] == pytest.approx([1, 1], abs=1e-5)
    assert sums[1] == pytest.approx([1, 1], abs=1e-5)
    assert sums[2] == pytest.approx([1, 1 / 3], abs=1e-5)
    assert float(abs(trace.maps[2].heat_map("hat").values).max()) > 0


def test_maps_are_not_refined_where_nothing_of_the_picture_was_attended(sd_pipeline: Any) -> None:
    with (
        vxa.trace(sd_pipeline, sites="IN01", self_attention="OUT08") as trace,
        steer(sd_pipeline, CrossImageAttention(**WHOLE)),
    ):
        make_steered(sd_pipeline, PROMPTS)
    assert float(trace.maps[1].heat_map("neck", refine=True).values.max()) > 0
    with pytest.raises(SettingError, match="attended to nothing of its own"):
        trace.maps[2].heat_map("hat", refine=True)


@pytest.mark.parametrize(
    ("prompts", "given", "error", "message"),
    [
        (PROMPTS[:2], {}, SteeringError, "needs three prompts in one call, .* there are 2"),
        (PROMPTS, {"things": "cat"}, WordError, "things: 'cat' is in none of the prompts"),
        (PROMPTS, {"things": "red hat"}, SteeringError, "names nothing in the structure's or the appearance"),
        (PROMPTS, {"contrast": 0.5}, SettingError, "contrast 0.5 is out of range"),
    ],
)
def test_bad_settings_are_told(prompts: Any, given: Any, error: Any, message: str, sd_pipeline: Any) -> None:
    with pytest.raises(error, match=message):
        make_steered(sd_pipeline, prompts, CrossImageAttention(**given))
