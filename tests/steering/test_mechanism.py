"""What holds for every control: nothing wanted changes no bit, nothing stays behind, errors are told."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from support.generating import OTHER, PROMPT, is_left_alone, make
from support.steering import Nothing, Seen, make_steered

import vxa
from vxa.attention.steered import find_steered
from vxa.errors import ModelError, RecordingError, SettingError, SiteError, SteeringError
from vxa.steering import (
    Ablate,
    Control,
    CrossImageAttention,
    Emphasize,
    FromTrajectory,
    KeepShapes,
    MultiDiffusion,
    PlugAndPlay,
    PromptMixing,
    PromptToPrompt,
    Region,
    Reweight,
    StyleAligned,
    Trajectory,
    steer,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def from_trajectory() -> Control:
    """Begin where the tests' generations do, and hold every picture there for a step."""
    latents = torch.randn(4, 4, 8, 4, generator=torch.Generator().manual_seed(5))
    path = torch.cat([latents[1:], torch.randn(1, 4, 8, 4, generator=torch.Generator().manual_seed(5))])
    return FromTrajectory(Trajectory(PROMPT, path, (667, 334, 1), "direct", 4.0), held_until=0.4)


CHANGING: dict[str, Callable[[], Control]] = {
    "prompt-to-prompt": lambda: PromptToPrompt(),
    "style-aligned": lambda: StyleAligned(),
    "plug-and-play": lambda: PlugAndPlay(),
    "from a trajectory": from_trajectory,
    "reweight": lambda: Reweight({"hat": 3.0}),
    "emphasize": lambda: Emphasize({"hat": 3.0}),
    "prompt mixing": lambda: PromptMixing(word="hat", proxies="neck", mixed_until=1),
    "keep shapes": lambda: KeepShapes(keep="hat"),
    "cross-image": lambda: CrossImageAttention(coarse_until=1, fine_until=1, things="hat"),
    "views": lambda: MultiDiffusion(size=8, stride=8),
    "regions": lambda: MultiDiffusion(regions=[Region((0, 0, 0.5, 1), "a neck")]),
    "ablate words": lambda: Ablate(words="hat"),
    "ablate heads": lambda: Ablate(heads="1"),
    "ablate sites": lambda: Ablate(sites="mid"),
}
IDLE: dict[str, Callable[[], Control]] = {
    "nothing": Nothing,
    "prompt-to-prompt": lambda: PromptToPrompt(cross_until=0, self_until=0),
    "reweight": lambda: Reweight({"hat": 1.0}),
    "emphasize": lambda: Emphasize({"hat": 1.0}),
}
SCHEDULERS = [
    "DDIMScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "DPMSolverMultistepScheduler",
]


def left_alone(pipeline: Any) -> bool:
    layers = [module for name, module in pipeline.unet.named_modules() if name.endswith(("attn1", "attn2"))]
    steered = any(find_steered(layer) for layer in layers) or "forward" in vars(pipeline.unet)
    return is_left_alone(pipeline) and not steered


def is_same_picture(first: Any, second: Any) -> bool:
    return np.array_equal(np.asarray(first), np.asarray(second))


def idle(control: Control) -> Control:
    control.only_looks = True  # type: ignore[misc]
    return control


@pytest.mark.parametrize("name", IDLE)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_a_control_that_wants_nothing_changes_no_bit(
    name: str, scheduler: str, guidance: float, pipeline: Any
) -> None:
    pipeline.scheduler = getattr(diffusers, scheduler).from_config(pipeline.scheduler.config)
    prompts = [PROMPT, OTHER]
    plain = make_steered(pipeline, prompts, guidance_scale=guidance)
    assert torch.equal(make_steered(pipeline, prompts, idle(IDLE[name]()), guidance_scale=guidance), plain)
    assert left_alone(pipeline)


@pytest.mark.parametrize("name", CHANGING)
@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_a_control_changes_the_picture_and_leaves_nothing_behind(
    name: str, guidance: float, pipeline: Any
) -> None:
    pipeline.scheduler = diffusers.DDIMScheduler.from_config(
        pipeline.scheduler.config, clip_sample=False, steps_offset=1
    )
    prompts = [PROMPT, "a red hat", "a red hat"]
    plain = make_steered(pipeline, prompts, guidance_scale=guidance)
    steered = make_steered(pipeline, prompts, CHANGING[name](), guidance_scale=guidance)
    assert not torch.equal(steered[2], plain[2])
    assert torch.equal(make_steered(pipeline, prompts, guidance_scale=guidance), plain)
    assert left_alone(pipeline)


@pytest.mark.parametrize("name", CHANGING)
def test_nothing_is_left_after_an_error_or_an_early_end(name: str, sd_pipeline: Any) -> None:
    def fail(*_: Any) -> Any:
        raise KeyboardInterrupt

    for where in ("callback", "forward"):
        hook = sd_pipeline.unet.mid_block.register_forward_pre_hook(fail) if where == "forward" else None
        with pytest.raises(KeyboardInterrupt):
            make_steered(
                sd_pipeline, [PROMPT, "a red hat", "a red hat"], CHANGING[name](),
                callback_on_step_end=fail if where == "callback" else None,
            )  # fmt: skip
        if hook is not None:
            hook.remove()
        assert left_alone(sd_pipeline)
        assert torch.get_default_device().type == "cpu"
        assert not torch.overrides._len_torch_function_stack()


def test_the_call_is_the_layers_own(sd_pipeline: Any) -> None:
    seen = Seen()
    make_steered(sd_pipeline, [PROMPT, OTHER], seen)
    names = [name for name, _ in sd_pipeline.unet.named_modules() if name.endswith(("attn1", "attn2"))]
    assert sorted({call.site.name for call, _ in seen.calls}) == sorted(names)
    assert len(seen.calls) == len(names) * 3
    call, run = seen.calls[0]
    assert [call.places, call.query.ndim] == [(0, 1, 2, 3), 4]
    assert {place: (row.image, row.negative) for place, row in run.rows.items()} == {
        0: (0, True), 1: (1, True), 2: (0, False), 3: (1, False),
    }  # fmt: skip
    assert [run.step for _, run in seen.calls[:: len(names)]] == [0, 1, 2]


def test_the_first_of_a_list_is_the_outermost(sd_pipeline: Any) -> None:
    order = []

    class Named(Nothing):
        def __init__(self, name: str) -> None:
            self.name = name

        def attend(self, call: Any, run: Any, compute: Any) -> torch.Tensor:
            order.append(f"{self.name} begins")
            product = compute(call)
            order.append(f"{self.name} ends")
            return product

    make_steered(sd_pipeline, [PROMPT], Named("first"), Named("second"), num_inference_steps=1)
    assert order[:4] == ["first begins", "second begins", "second ends", "first ends"]


def test_the_second_gets_what_the_first_edited(sd_pipeline: Any) -> None:
    seen = Seen()
    make_steered(sd_pipeline, [PROMPT], Emphasize({"hat": 2.0}), seen)
    biases = [call.bias for call, _ in seen.calls if call.site.kind == "cross"]
    assert all(float(bias[1].max()) == pytest.approx(math.log(2)) for bias in biases)
    assert all(float(bias[0].abs().max()) == 0 for bias in biases)  # the negative prompt's row


def test_a_product_is_softmax_of_the_call(sd_pipeline: Any) -> None:
    class ByHand(Control):
        def attend(self, call: Any, run: Any, compute: Any) -> torch.Tensor:
            found = torch.stack([call.probabilities(place) for place in call.places])
            return found @ call.value

    plain, by_hand = make_steered(sd_pipeline, [PROMPT]), make_steered(sd_pipeline, [PROMPT], ByHand())
    assert torch.allclose(plain, by_hand, atol=1e-5)


def test_a_bias_of_the_keys_alone_is_every_rows(sd_pipeline: Any) -> None:
    class Blind(Control):
        kind = "cross"

        def attend(self, call: Any, run: Any, compute: Any) -> torch.Tensor:
            bias = torch.zeros(call.key.shape[2])
            bias[8:] = -math.inf
            return compute(call.biased(bias))

    with vxa.trace(sd_pipeline) as trace:
        make_steered(sd_pipeline, [PROMPT, OTHER], Blind())
    for maps in trace.maps:
        record = next(iter(maps.records.values()))
        assert float(record.tokens(range(8, 77)).max()) == 0
        assert torch.allclose(record.tokens(range(8)).sum(0), torch.ones(record.grid), atol=1e-5)


def test_another_threads_generation_is_not_steered(sd_pipeline: Any) -> None:
    plain = make(sd_pipeline)
    found = []
    with steer(sd_pipeline, Ablate(words="hat")) as pipeline:
        thread = threading.Thread(target=lambda: found.append(make(sd_pipeline)))
        thread.start()
        thread.join()
        steered = make(pipeline)
    assert torch.equal(found[0], plain)
    assert not torch.equal(steered, plain)


def test_a_control_that_changes_nothing_is_an_error(sd_pipeline: Any) -> None:
    with pytest.raises(SteeringError, match=r"Reweight\(words=\{'hat': 1.0\}\) changed nothing in the whole"):
        make_steered(sd_pipeline, [PROMPT], Reweight({"hat": 1.0}))
    assert left_alone(sd_pipeline)


def test_a_block_without_a_generation_is_an_error(sd_pipeline: Any) -> None:
    with pytest.raises(SteeringError, match="nothing was steered"), steer(sd_pipeline, Nothing()):
        pass


@pytest.mark.parametrize("control", [PromptToPrompt(), StyleAligned()], ids=lambda each: type(each).__name__)
def test_a_reference_is_needed(control: Control, sd_pipeline: Any) -> None:
    with pytest.raises(SteeringError, match="needs at least two prompts in one call"):
        make_steered(sd_pipeline, [PROMPT], control)


def test_a_reference_row_that_is_absent_is_an_error(sd_pipeline: Any) -> None:
    from dataclasses import replace

    class WithoutFirst(Control):
        def wants(self, site: Any, run: Any) -> bool:
            return True

        def attend(self, call: Any, run: Any, compute: Any) -> torch.Tensor:
            rows = self.find_rows(call, replace(run, rows={3: run.rows[3]}))
            self.reference_row(rows)
            raise AssertionError

    with pytest.raises(SteeringError, match=r"needs the row of image 0 in every pass, and this pass has .*1"):
        make_steered(sd_pipeline, [PROMPT, OTHER], WithoutFirst())


def test_a_product_of_another_shape_is_an_error(sd_pipeline: Any) -> None:
    class Wrong(Control):
        def attend(self, call: Any, run: Any, compute: Any) -> torch.Tensor:
            return compute(call)[:1]

    with pytest.raises(SteeringError, match=r"Wrong.attend returned \(1, 2, .* at IN01; return a tensor \(2"):
        make_steered(sd_pipeline, [PROMPT], Wrong())


@pytest.mark.parametrize(
    ("controls", "message"),
    [
        ((), "no control was given"),
        ((PromptToPrompt,), r"PromptToPrompt is no control; give an object of it, PromptToPrompt\(\)"),
        (("red",), "str is no control"),
    ],
)
def test_what_is_no_control_is_refused(controls: Any, message: str, sd_pipeline: Any) -> None:
    with pytest.raises(SettingError, match=message), steer(sd_pipeline, *controls):
        pass


def test_sites_that_are_not_there_are_refused(sd_pipeline: Any) -> None:
    with pytest.raises(SiteError, match="no site here is called 'OUT99'"):
        make_steered(sd_pipeline, [PROMPT], Ablate(sites="OUT99"))


def test_two_blocks_around_one_call_are_refused(sd_pipeline: Any) -> None:
    with (
        pytest.raises(SteeringError, match="is steered already: two blocks of steer are entered"),
        steer(sd_pipeline, Ablate(words="hat")),
        steer(sd_pipeline, Nothing()),
    ):
        make(sd_pipeline)
    assert left_alone(sd_pipeline)


def test_an_object_without_a_pipeline_is_refused() -> None:
    class Bare:
        name, sites, denoise = "bare", (), None

    with pytest.raises(ModelError, match="bare has no pipeline to steer"), steer(Bare(), Nothing()):
        pass


def test_layers_that_no_control_reaches_are_refused(sd_pipeline: Any) -> None:
    from diffusers.models.attention_processor import AttnProcessor

    sd_pipeline.unet.set_attn_processor(AttnProcessor())
    with pytest.raises(RecordingError, match="cannot be steered: AttnProcessor computes it without"):
        make_steered(sd_pipeline, [PROMPT], Ablate(words="hat"))
    assert left_alone(sd_pipeline)


def test_a_compiled_network_is_refused(sd_pipeline: Any) -> None:
    sd_pipeline.unet._compiled_call_impl = lambda *args: None
    with pytest.raises(RecordingError, match="compiled"), steer(sd_pipeline, Nothing()):
        pass


def test_a_trace_gets_what_was_attended_in_either_order(pipeline: Any) -> None:
    control = Ablate(words="hat")
    with vxa.trace(pipeline) as outer, steer(pipeline, control):
        make(pipeline)
    with steer(pipeline, control), vxa.trace(pipeline) as inner:
        make(pipeline)
    with vxa.trace(pipeline) as plain:
        make(pipeline)
    assert float(plain.maps[0].heat_map("hat").values.max()) > 0
    for trace in (outer, inner):
        assert float(trace.maps[0].heat_map("hat").values.max()) == 0
        others = trace.maps[0].heat_map("neck").values - plain.maps[0].heat_map("neck").values
        assert float(abs(others).max()) > 0
        assert trace.maps[0].provenance.notes == ("steered by Ablate(words='hat')",)
    assert left_alone(pipeline)


def test_a_trace_under_a_control_that_does_nothing_is_the_plain_one(pipeline: Any) -> None:
    with vxa.trace(pipeline, self_attention=True) as plain:
        make(pipeline)
    with vxa.trace(pipeline, self_attention=True) as steered, steer(pipeline, Nothing()):
        make(pipeline)
    for refine in (False, True):
        one, other = (each.maps[0].heat_map("hat", refine=refine).values for each in (plain, steered))
        assert float(abs(one - other).max()) < 1e-6


def test_reweighting_multiplies_what_a_trace_shows_at_the_first_layer(sd_pipeline: Any) -> None:
    given = {"num_inference_steps": 1}
    with vxa.trace(sd_pipeline, sites="IN01") as plain:
        make(sd_pipeline, **given)
    with vxa.trace(sd_pipeline, sites="IN01") as steered, steer(sd_pipeline, Reweight({"hat": 3.0})):
        make(sd_pipeline, **given)
    one, other = (each.maps[0].heat_map("hat").values for each in (plain, steered))
    assert float(abs(3 * one - other).max()) < 1e-6


def test_generate_makes_the_pictures_in_one_batch_with_the_maps_of_each(sd_pipeline: Any) -> None:
    made = vxa.generate(
        sd_pipeline, [PROMPT, "a red hat"], steps=2, size="16x8", trace=True, controls=[PromptToPrompt()]
    )
    assert [image.size for image in made.images] == [(8, 16)] * 2
    assert [maps.provenance.seed for maps in made.maps] == [0, 0]
    aligned = vxa.generate(
        sd_pipeline, [PROMPT, "a red hat"], steps=2, size="16x8", trace=True, controls=[StyleAligned()]
    )
    assert [maps.provenance.seed for maps in aligned.maps] == [0, 1]
    assert is_same_picture(aligned.images[0], made.images[0])
    plain = vxa.generate(sd_pipeline, PROMPT, steps=2, size="16x8")
    assert is_same_picture(plain.image, made.images[0])
    with pytest.raises(SettingError, match="str is no control"):
        vxa.generate(sd_pipeline, PROMPT, controls=["red"])  # type: ignore[list-item]


def test_another_texts_keys_and_values_are_the_layers_own(sd_pipeline: Any) -> None:
    same = []

    class Projecting(Nothing):
        def attend(self, call: Any, run: Any, compute: Any) -> torch.Tensor:
            if call.site.kind == "cross":
                key, value = call.project(self.generation.encode("a red hat"))
                same.append(torch.allclose(key[0], call.key[1]) and torch.allclose(value[0], call.value[1]))
            return compute(call)

    make_steered(sd_pipeline, ["a red hat"], Projecting(), guidance_scale=4.0)
    assert len(same) == 33
    assert all(same)


class Predicting(Nothing):
    """Makes predictions by a function of the test's."""

    def __init__(self, make_prediction: Callable[..., torch.Tensor]) -> None:
        self.make_prediction, self.steps = make_prediction, list[int]()

    def predict(self, sample: torch.Tensor, run: Any, predict: Any) -> torch.Tensor:
        self.steps.append(run.step)
        return self.make_prediction(sample, run, predict)


def test_every_pass_is_predicted_by_the_control_from_the_first_on(pipeline: Any) -> None:
    control = Predicting(lambda sample, run, predict: predict(sample))
    with steer(pipeline, control):
        for _ in range(2):
            make(pipeline)
    assert control.steps == [0, 1, 2] * 2
    assert left_alone(pipeline)


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_a_row_that_reads_another_text_is_predicted_from_that_prompt(guidance: float, pipeline: Any) -> None:
    from dataclasses import replace

    def other(sample: torch.Tensor, run: Any, predict: Any) -> torch.Tensor:
        rows = {
            place: row if row.negative else replace(row, text="a red hat") for place, row in run.rows.items()
        }
        return predict(sample, rows)  # type: ignore[no-any-return]

    made = make_steered(pipeline, [PROMPT], Predicting(other), guidance_scale=guidance)
    assert torch.allclose(made, make_steered(pipeline, ["a red hat"], guidance_scale=guidance), atol=1e-5)


def test_predictions_within_see_the_rows_and_the_size_that_they_were_given(sd_pipeline: Any) -> None:
    seen = Seen()

    def left_and_right(sample: torch.Tensor, run: Any, predict: Any) -> torch.Tensor:
        rows = {place: row for place, row in run.rows.items() if not row.negative}
        return torch.cat([predict(sample[..., :2], rows), predict(sample[..., 2:])], -1)

    make_steered(sd_pipeline, [PROMPT], Predicting(left_and_right), seen, num_inference_steps=1)
    half = len(seen.calls) // 2
    assert {run.latent_size for _, run in seen.calls} == {(8, 2)}
    assert [set(run.rows) for _, run in seen.calls] == [{1}] * half + [{0, 1}] * half


def test_a_trace_counts_the_prediction_that_is_to_be_heard(pipeline: Any) -> None:
    control = Ablate(words="hat")

    def twice(sample: torch.Tensor, run: Any, predict: Any) -> torch.Tensor:
        control.words = ""
        plain = predict(sample, heard=False)
        control.words = "hat"
        return plain + 0 * predict(sample)  # type: ignore[no-any-return]

    class Switched(Ablate):
        def attend(self, call: Any, run: Any, compute: Any) -> torch.Tensor:
            return super().attend(call, run, compute) if control.words else compute(call)

    with vxa.trace(pipeline) as trace, steer(pipeline, Predicting(twice), Switched(words="hat")):
        make(pipeline)
    assert float(trace.maps[0].heat_map("hat").values.max()) == 0
    assert float(trace.maps[0].heat_map("neck").values.max()) > 0


def test_parts_of_a_picture_are_refused_beside_a_controlnets_residuals(sd_pipeline: Any) -> None:
    from vxa.steering.predictions import predicted_by

    def half(sample: torch.Tensor, forward: Any) -> torch.Tensor:
        return forward(sample[..., :2], {})  # type: ignore[no-any-return]

    with (
        pytest.raises(SteeringError, match=r"predicts parts of the picture .* a ControlNet's residuals"),
        predicted_by(sd_pipeline.unet, half),
    ):
        sd_pipeline.unet(
            torch.zeros(1, 4, 8, 4), 1, torch.zeros(1, 77, 16), down_block_additional_residuals=(1,)
        )


def test_pictures_begin_from_a_controls_latents(sd_pipeline: Any) -> None:
    class Begun(Nothing):
        start = torch.randn(1, 4, 8, 4, generator=torch.Generator().manual_seed(5))

    given: dict[str, Any] = {"steps": 2, "size": "16x8"}
    begun = vxa.generate(sd_pipeline, PROMPT, seed=1, controls=[Begun()], **given)
    assert is_same_picture(begun.image, vxa.generate(sd_pipeline, PROMPT, seed=5, **given).image)


def test_a_trace_that_fails_costs_no_steered_picture(
    sd_pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vxa.tracing.generation import TracedCall

    given: dict[str, Any] = {"steps": 2, "size": "16x8", "controls": [PromptToPrompt()]}
    prompts = [PROMPT, "a red hat"]
    plain = vxa.generate(sd_pipeline, prompts, **given)
    received = TracedCall.receive

    def fail(self: Any, site: Any, call: Any) -> None:
        if self._run.step:
            raise RecordingError("the second step cannot be read")
        received(self, site, call)

    monkeypatch.setattr(TracedCall, "receive", fail)
    with pytest.raises(RecordingError, match="the second step cannot be read") as failed:
        vxa.generate(sd_pipeline, prompts, trace=True, **given)
    assert len(failed.value.images) == 2
    assert all(map(is_same_picture, failed.value.images, plain.images))
    assert left_alone(sd_pipeline)
