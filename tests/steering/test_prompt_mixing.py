"""Prompt mixing and kept shapes: plain outside their windows, and the papers' formulas within."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from support.steering import make_steered

import vxa
from vxa.errors import SettingError, SteeringError, WordError
from vxa.steering import KeepShapes, PromptMixing, StyleAligned, steer
from vxa.steering.keep_shapes import _on_grid

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

PROMPTS = ["a red hat"] * 2
WIDE: dict[str, Any] = {"height": 32, "width": 16, "num_inference_steps": 5}


def mixing(**given: Any) -> PromptMixing:
    return PromptMixing(**{"word": "hat", "proxies": "neck"} | given)


@pytest.mark.parametrize(
    "control",
    [
        mixing(mixed_from=0, mixed_until=0),
        mixing(mixed_from=0.9, mixed_until=0.4),
        KeepShapes(keep="hat", self_until=0),
        KeepShapes(change="hat", background_from=1, self_until=1, change_threshold=0),
    ],
    ids=["no step", "no window", "no step kept", "all may change"],
)
def test_outside_its_window_it_is_plain_bit_for_bit(control: Any, pipeline: Any) -> None:
    control.only_looks = True
    plain = make_steered(pipeline, PROMPTS)
    assert torch.equal(make_steered(pipeline, PROMPTS, control), plain)


def test_the_first_picture_stays_plain(pipeline: Any) -> None:
    prompts = ["a red hat", "a red hat", "a red neck"]
    plain = make_steered(pipeline, prompts[:1] * 3)
    for control in (mixing(mixed_until=1), KeepShapes(keep="hat", change="hat, neck")):
        given = prompts[:1] * 3 if isinstance(control, PromptMixing) else prompts
        made = make_steered(pipeline, given, control)
        assert torch.equal(made[0], plain[0])
        assert not torch.equal(made[-1], plain[-1])


def test_values_are_the_proxys_and_keys_the_prompts(sd_pipeline: Any) -> None:
    """A of the prompt's keys times the proxy prompt's values, in float64, in the conditional row alone."""
    errors, steps = [], set()

    class Checked(PromptMixing):
        def attend(self, call: Any, run: Any, compute: Any) -> torch.Tensor:
            product = super().attend(call, run, compute)
            assert call.site.kind == "cross"
            steps.add(run.step)
            _, value = call.project(self.generation.encode("a red neck"))
            query, key = call.query[3].double(), call.key[3].double()
            attention = (query @ key.transpose(1, 2) / query.shape[-1] ** 0.5).softmax(-1)
            errors.append(float((attention @ value[0].double() - product[3]).abs().max()))
            assert torch.equal(product[:3], compute(call)[:3])
            return product

    control = Checked(word="hat", proxies="neck", mixed_from=0.2, mixed_until=0.6)
    make_steered(sd_pipeline, PROMPTS, control, num_inference_steps=5)
    assert steps == {1, 2}
    assert max(errors) < 1e-6


def test_a_proxy_of_several_tokens_leaves_the_words_after_it_theirs(sd_pipeline: Any) -> None:
    found = []

    class Checked(PromptMixing):
        def begin(self) -> None:
            super().begin()
            found.append(self._matrices[1])

    make_steered(sd_pipeline, ["a hat and neck"] * 2, Checked(word="hat", proxies="cup", mixed_until=1))
    (matrix,) = found
    assert matrix[2, 2:5].tolist() == pytest.approx([1 / 3] * 3)  # "cup" has three tokens
    assert [matrix[index].argmax().item() for index in (1, 3, 4)] == [1, 5, 6]
    assert torch.allclose(matrix.sum(1), torch.ones(77))


def test_every_picture_has_a_proxy_of_its_own(sd_pipeline: Any) -> None:
    both = make_steered(sd_pipeline, PROMPTS[:1] * 3, mixing(proxies="neck, red", mixed_until=1))
    for image, proxy in ((1, "neck"), (2, "red")):
        alone = make_steered(sd_pipeline, PROMPTS, mixing(proxies=proxy, mixed_until=1))
        assert torch.allclose(both[image], alone[1], atol=1e-5)
    assert not torch.allclose(both[1], both[2], atol=1e-4)


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_kept_rows_and_columns_are_the_first_pictures(guidance: float, sd_pipeline: Any) -> None:
    """The map with the first's rows and columns put in, times V, in float64."""
    errors, seen, partial = [], set(), []

    class Checked(KeepShapes):
        def attend(self, call: Any, run: Any, compute: Any) -> torch.Tensor:
            product = super().attend(call, run, compute)
            mask = self._kept.mask(0)
            if call.site.kind == "cross" or mask is None:
                return product
            seen.add((call.site.factor, run.step))
            kept = _on_grid(mask, call.site.grid(self.generation.latent_size))
            partial.append(bool(kept.any() and not kept.all()))
            source, target = len(call.places) - 2, len(call.places) - 1
            query, key = call.query.double(), call.key.double()
            first, own = (
                (query[row] @ key[row].transpose(1, 2) / query.shape[-1] ** 0.5).softmax(-1)
                for row in (source, target)
            )
            mixed = torch.where(kept[:, None] | kept[None], first, own)
            errors.append(float((mixed @ call.value[target].double() - product[target]).abs().max()))
            assert torch.equal(product[:target], compute(call)[:target])
            return product

    prompts = ["a red hat", "a red neck"]
    control = Checked(keep="hat", self_until=0.6, threshold=0.99)
    make_steered(sd_pipeline, prompts, control, guidance_scale=guidance, **WIDE)
    assert {factor for factor, _ in seen} == {2, 4}
    assert {step for _, step in seen} == {0, 1, 2}
    assert sum(partial) > 10
    assert max(errors) < 1e-6


def test_a_trace_shows_the_mixed_self_attention(sd_pipeline: Any) -> None:
    """Rows of what is kept attend as the first picture's do."""
    given: dict[str, Any] = {"sites": "IN01", "self_attention": "OUT05"}
    control = KeepShapes(keep="hat", threshold=0, self_until=1)  # everywhere: the map is the first picture's
    with vxa.trace(sd_pipeline, **given) as trace, steer(sd_pipeline, control):
        make_steered(sd_pipeline, ["a red hat", "a red neck"], height=32, width=16, num_inference_steps=1)
    records = [
        next(record for name, record in maps.records.items() if name.endswith("attn1")) for maps in trace.maps
    ]
    assert torch.allclose(*(record.tokens(range(8)) for record in records), atol=1e-6)


def test_the_background_is_the_firsts_after_its_share_of_the_steps(sd_pipeline: Any) -> None:
    prompts, control = ["a red hat", "a red neck"], KeepShapes(change="hat, neck", change_threshold=0.99)
    made = make_steered(sd_pipeline, prompts, control, height=32, width=16)
    same = (made[0] == made[1]).all(0)
    assert same.any()
    assert not same.all()


@pytest.mark.parametrize(
    ("control", "error", "message"),
    [
        (lambda: mixing(proxies=""), SettingError, "give both"),
        (
            lambda: mixing(proxies="hat"),
            SettingError,
            "the proxy 'hat' leaves the prompt 'a red hat.*' as",
        ),
        (lambda: mixing(word="cat"), WordError, "word 'cat' is not in the prompt 'a red hat"),
        (lambda: mixing(proxies="red neck"), SettingError, "has not as many words as 'hat'"),
        (
            lambda: mixing(proxies="neck, red"),
            SettingError,
            "there are 2 proxies and 1 pictures after the first",
        ),
        (KeepShapes, SettingError, "KeepShapes has no words"),
        (lambda: KeepShapes(keep="cat"), WordError, "keep: 'cat' is in none of the prompts"),
        (lambda: KeepShapes(keep="neck"), SettingError, "keep: 'neck' is not in the first prompt"),
    ],
)
def test_bad_settings_are_told(control: Any, error: Any, message: str, sd_pipeline: Any) -> None:
    with pytest.raises(error, match=message):
        make_steered(sd_pipeline, ["a red hat", "a red hat, neck"], control())


def test_keys_that_another_control_adds_are_refused(sd_pipeline: Any) -> None:
    class Doubling(StyleAligned):
        def attend(self, call: Any, run: Any, compute: Any) -> torch.Tensor:
            bias = call.query.new_zeros(1, 1, 1, 2 * call.key.shape[2])
            bias[..., call.key.shape[2] :] = -math.inf
            doubled = {name: torch.cat([getattr(call, name)] * 2, 2) for name in ("key", "value")}
            return compute(call.replace(**doubled).biased(bias))

    with pytest.raises(SteeringError, match="another control adds some; put KeepShapes before it"):
        make_steered(sd_pipeline, PROMPTS, Doubling(), KeepShapes(keep="hat"))
