"""StyleAligned: the reference is left alone, and the product is the paper's."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from support.generating import OTHER, PROMPT
from support.steering import make_steered

from vxa.errors import SettingError
from vxa.steering import StyleAligned
from vxa.steering.style_aligned import adain

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_the_reference_is_its_row_of_the_plain_batch_bit_for_bit(guidance: float, pipeline: Any) -> None:
    prompts = [PROMPT, OTHER, "a red hat"]
    plain = make_steered(pipeline, prompts, guidance_scale=guidance)
    aligned = make_steered(pipeline, prompts, StyleAligned(), guidance_scale=guidance)
    alone = make_steered(pipeline, prompts[:1], guidance_scale=guidance)
    assert torch.equal(aligned[0], plain[0])
    assert torch.allclose(aligned[0], alone[0], atol=1e-5)
    assert not torch.allclose(aligned[1], plain[1], atol=1e-3)


def test_the_product_is_the_papers(sd_pipeline: Any) -> None:
    errors = []

    class Checked(StyleAligned):
        def attend(self, call: Any, run: Any, compute: Any) -> torch.Tensor:
            product = super().attend(call, run, compute)
            for place, reference in ((1, 0), (3, 2)):
                query, key = (
                    adain(each[place : place + 1], each[reference : reference + 1])[0].double()
                    for each in (call.query, call.key)
                )
                keys = torch.cat([key, call.key[reference].double()], 1)
                values = torch.cat([call.value[place], call.value[reference]], 1).double()
                logits = query @ keys.transpose(1, 2) / query.shape[-1] ** 0.5
                count = key.shape[1]
                logits[..., count:] += math.log(2)
                errors.append(float((logits.softmax(-1) @ values - product[place]).abs().max()))
            return product

    make_steered(sd_pipeline, [PROMPT, OTHER], Checked(strength=2))
    assert len(errors) > 20
    assert max(errors) < 1e-5


def test_a_strength_of_two_is_the_reference_twice(sd_pipeline: Any) -> None:
    class Twice(StyleAligned):
        def _shared(self, call: Any, shared: Any) -> Any:
            own = super()._shared(call, shared)
            count = own.key.shape[2] // 2
            key, value = (torch.cat([each, each[:, :, count:]], 2) for each in (own.key, own.value))
            return own.replace(key=key, value=value)

    one, other = (
        make_steered(sd_pipeline, [PROMPT, OTHER], control) for control in (StyleAligned(strength=2), Twice())
    )
    assert torch.allclose(one, other, atol=1e-5)


def test_adain_gives_mean_and_deviation_of_the_reference() -> None:
    values, reference = torch.randn(2, 3, 20, 4), 5 + 2 * torch.randn(2, 3, 30, 4)
    found = adain(values, reference)
    assert torch.allclose(found.mean(2), reference.mean(2), atol=1e-4)
    assert torch.allclose(found.std(2), reference.std(2), atol=1e-3)
    assert torch.allclose(adain(values, values), values, atol=1e-5)


@pytest.mark.parametrize("given", [{"normalize": "none"}, {"normalize": "qkv"}, {"share": False}])
def test_the_parts_of_the_method(given: Any, sd_pipeline: Any) -> None:
    whole, part = (make_steered(sd_pipeline, [PROMPT, OTHER], StyleAligned(**each)) for each in ({}, given))
    assert not torch.equal(whole[1], part[1])


def test_bad_settings_are_told() -> None:
    with pytest.raises(SettingError, match="strength 0 is out of range"):
        StyleAligned(strength=0)
    with pytest.raises(SettingError, match="normalize 'all' is unknown; choose one of none, qk, qkv"):
        StyleAligned(normalize="all")
