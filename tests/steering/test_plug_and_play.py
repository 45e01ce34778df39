"""Plug-and-Play: the source is untouched, its own features reproduce it, and the others take what is its."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.generating import OTHER, PROMPT, is_left_alone
from support.steering import Nothing, make_steered

from vxa.errors import SettingError, SiteError, SteeringError
from vxa.steering import PlugAndPlay

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_the_source_is_untouched_and_its_own_features_reproduce_it(guidance: float, pipeline: Any) -> None:
    plain = make_steered(pipeline, [PROMPT, OTHER], guidance_scale=guidance)
    edited = make_steered(pipeline, [PROMPT, OTHER], PlugAndPlay(), guidance_scale=guidance)
    assert torch.equal(edited[0], plain[0])
    assert not torch.equal(edited[1], plain[1])
    same = make_steered(pipeline, [PROMPT, PROMPT], PlugAndPlay(), guidance_scale=guidance)
    assert torch.allclose(same[1], same[0], atol=1e-5)
    assert is_left_alone(pipeline)


def test_the_layers_are_the_decoders_by_part_and_grid(pipeline: Any) -> None:
    seen: list[Any] = []
    taken: set[tuple[str, int, bool]] = set()

    class Checked(PlugAndPlay):
        def begin(self) -> None:
            super().begin()
            seen.append(
                (self.features, max(site.factor for site in self.generation.sites if site.part == "up"))
            )

        def attend(self, call: Any, run: Any, compute: Any) -> torch.Tensor:
            def noted(edited: Any) -> torch.Tensor:
                same = all(
                    torch.equal(each[place], each[source])
                    for each in (edited.query, edited.key)
                    for place, source in ((1, 0), (3, 2))
                )
                assert torch.equal(edited.value, call.value)
                assert torch.equal(edited.query[[0, 2]], call.query[[0, 2]])
                taken.add((call.site.part, run.step, same))
                return compute(edited)

            return super().attend(call, run, noted)

    make_steered(pipeline, [PROMPT, OTHER], Checked(self_until=0.5), num_inference_steps=4)
    ((features, coarsest),) = seen
    block = next(n for n, each in enumerate(pipeline.unet.up_blocks) if hasattr(each, "attentions"))
    assert features == (f"up_blocks.{block}.resnets.1.conv2",)
    assert coarsest == 2
    assert taken == {("up", 0, True), ("up", 1, True)}


def test_features_are_the_sources_in_the_first_steps(pipeline: Any) -> None:
    found: list[tuple[bool, bool]] = []

    class Checked(PlugAndPlay):
        def feature(self, name: str, output: Any, run: Any) -> torch.Tensor:
            edited = super().feature(name, output, run)
            assert torch.equal(edited[[0, 2]], output[[0, 2]])
            same = torch.equal(edited[1], output[0]) and torch.equal(edited[3], output[2])
            found.append((run.step < 2, same))
            return edited

    make_steered(pipeline, [PROMPT, OTHER], Checked(features_until=0.5, self_until=0), num_inference_steps=4)
    assert found == [(True, True)] * 2 + [(False, False)] * 2


def test_other_layers_can_be_named(sd_pipeline: Any) -> None:
    found = []

    class Checked(PlugAndPlay):
        def begin(self) -> None:
            super().begin()
            found.append(self.features)

    make_steered(sd_pipeline, [PROMPT, OTHER], Checked(layer="OUT03, OUT08"))
    make_steered(sd_pipeline, [PROMPT, OTHER], Checked(layer="mid"))
    assert found == [
        ("up_blocks.1.resnets.0.conv2", "up_blocks.2.resnets.2.conv2"),
        ("mid_block.resnets.0.conv2",),
    ]
    with pytest.raises(SiteError, match="no site here is called 'OUT99'"):
        make_steered(sd_pipeline, [PROMPT, OTHER], PlugAndPlay(layer="OUT99"))


def test_the_order_of_controls_is_that_of_features(sd_pipeline: Any) -> None:
    """The first of a list is the outermost: it gets what the second made."""
    seen: list[torch.Tensor] = []

    class Noting(Nothing):
        features = ("up_blocks.1.resnets.1.conv2",)

        def feature(self, name: str, output: Any, run: Any) -> torch.Tensor:
            seen.append(output)
            return output

    make_steered(sd_pipeline, [PROMPT, OTHER], Noting(), PlugAndPlay(), num_inference_steps=1)
    make_steered(sd_pipeline, [PROMPT, OTHER], PlugAndPlay(), Noting(), num_inference_steps=1)
    assert [torch.equal(each[3], each[2]) for each in seen] == [True, False]


def test_bad_settings_and_modules_are_told(sd_pipeline: Any) -> None:
    class Wrong(Nothing):
        features = ("up_blocks.9",)

    class Smaller(Nothing):
        features = ("conv_in",)

        def feature(self, name: str, output: Any, run: Any) -> torch.Tensor:
            return output[:1]

    with pytest.raises(SettingError, match="features_until 2 is out of range"):
        PlugAndPlay(features_until=2)
    with pytest.raises(SteeringError, match="needs at least two prompts"):
        make_steered(sd_pipeline, [PROMPT], PlugAndPlay())
    with pytest.raises(SteeringError, match="changed nothing in the whole generation"):
        make_steered(sd_pipeline, [PROMPT, OTHER], PlugAndPlay(features_until=0, self_until=0))
    with pytest.raises(SteeringError, match=r"no module 'up_blocks.9' whose output could be changed"):
        make_steered(sd_pipeline, [PROMPT], Wrong())
    with pytest.raises(SteeringError, match=r"made of the output \(2, 8, 8, 4\) of conv_in another shape"):
        make_steered(sd_pipeline, [PROMPT], Smaller())
    assert is_left_alone(sd_pipeline)
