"""Pipelines that are interrupted, raise, are shared, compiled, offloaded, or cannot be traced."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from support.generating import NEGATIVE, OTHER, PROMPT, is_left_alone, make

import vxa
from vxa.errors import (
    ModelError,
    RecordingError,
    SettingError,
    SiteError,
)
from vxa.models.diffusers import DiffusersModel

# diffusers' Euler schedulers convert a tensor to numpy in a deprecated way.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


def test_what_is_not_whole_is_told(sd_pipeline: Any) -> None:
    def interrupt(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        pipeline._interrupt = step == 1
        return tensors

    with vxa.trace(sd_pipeline) as trace:
        make(sd_pipeline, num_inference_steps=5, callback_on_step_end=interrupt)
    assert trace.calls[0].passes == 2
    assert "read 2 of 5 steps" in trace.maps[0].provenance.notes


def test_a_pipeline_that_raises_leaves_no_hook(sd_pipeline: Any) -> None:
    def fail(*args: Any) -> None:
        raise ZeroDivisionError

    handle = sd_pipeline.unet.mid_block.register_forward_pre_hook(fail)
    with pytest.raises(ZeroDivisionError), vxa.trace(sd_pipeline):
        make(sd_pipeline)
    handle.remove()
    assert is_left_alone(sd_pipeline)
    with vxa.trace(sd_pipeline) as trace:
        handle = sd_pipeline.unet.mid_block.register_forward_pre_hook(fail)
        with pytest.raises(ZeroDivisionError):
            make(sd_pipeline)
        handle.remove()
        make(sd_pipeline, OTHER)
    assert [maps.provenance.prompt for maps in trace.maps] == [OTHER]


def test_nested_traces_hear_the_same(sd_pipeline: Any) -> None:
    with vxa.trace(sd_pipeline) as outer:
        with vxa.trace(sd_pipeline, words="hat") as inner:
            make(sd_pipeline)
        make(sd_pipeline, OTHER)
    assert (len(outer.maps), len(inner.maps)) == (2, 1)
    expected = outer.maps[0].heat_map("hat").values
    assert np.allclose(inner.maps[0].heat_map("hat").values, expected, atol=1e-7)
    assert is_left_alone(sd_pipeline)


def test_another_threads_generations_are_its_own(sd_pipeline: Any, sdxl_pipeline: Any) -> None:
    """Two pipelines share one network; each generates and traces in its own thread.

    Each has its own scheduler and tokenizer, because these keep state between calls.
    """
    from diffusers import StableDiffusionPipeline

    twin = StableDiffusionPipeline(
        **{
            **sd_pipeline.components,
            "scheduler": type(sd_pipeline.scheduler)(**sd_pipeline.scheduler.config),
            "tokenizer": copy.deepcopy(sd_pipeline.tokenizer),
        },
        requires_safety_checker=False,
    )
    alone = {}
    for name, prompt in (("a", PROMPT), ("b", OTHER)):
        with vxa.trace(sd_pipeline) as trace:
            make(sd_pipeline, prompt)
        alone[name] = trace.maps[0].heat_map("neck").values
    found: dict[str, list[Any]] = {}
    started = threading.Barrier(2)

    def work(name: str, pipeline: Any, prompt: str) -> None:
        with vxa.trace(pipeline) as trace:
            started.wait()
            make(pipeline, prompt)
        found[name] = [maps.heat_map("neck").values for maps in trace.maps]

    threads = [
        threading.Thread(target=work, args=args) for args in (("a", sd_pipeline, PROMPT), ("b", twin, OTHER))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, values in alone.items():
        assert len(found[name]) == 1
        assert np.allclose(found[name][0], values, atol=1e-6)
    assert is_left_alone(sd_pipeline)
    assert is_left_alone(twin)


def compiled(pipeline: Any) -> None:
    pipeline.unet = torch.compile(pipeline.unet, backend="eager")


def in_place(pipeline: Any) -> None:
    pipeline.unet.compile(backend="eager")


@pytest.mark.parametrize("change", [compiled, in_place])
def test_a_compiled_network_is_refused_before_anything_is_made(
    change: Callable[[Any], None], sd_pipeline: Any
) -> None:
    model = DiffusersModel(sd_pipeline)
    change(sd_pipeline)
    with pytest.raises(RecordingError, match="compiled"), vxa.trace(model):
        pytest.fail("the block must not be entered")


def test_an_offloaded_pipeline_gives_the_same_maps(pipeline: Any) -> None:
    from accelerate import cpu_offload

    with vxa.trace(pipeline) as trace:
        expected = make(pipeline)
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            cpu_offload(part, torch.device("cpu"), offload_buffers=len(part._parameters) > 0)
    with vxa.trace(pipeline) as offloaded:
        assert torch.equal(make(pipeline), expected)
    want, got = (each.maps[0].heat_map("hat", sites="all").values for each in (trace, offloaded))
    assert np.allclose(want, got, atol=1e-7)


def test_adapters_loaded_between_calls_are_read(sd_pipeline: Any) -> None:
    from peft import LoraConfig

    config = LoraConfig(r=2, init_lora_weights=False, target_modules=["to_q", "to_k"])
    with vxa.trace(sd_pipeline) as trace:
        make(sd_pipeline)
        sd_pipeline.unet.add_adapter(config, "style")
        make(sd_pipeline)
    with vxa.trace(sd_pipeline) as after:
        make(sd_pipeline)
    plain, adapted = (maps.heat_map("hat").values for maps in trace.maps)
    assert not np.allclose(plain, adapted, atol=1e-4)
    assert np.array_equal(adapted, after.maps[0].heat_map("hat").values)
    assert trace.maps[1].provenance.notes == ("LoRA active: style",)


def test_guidance_that_is_switched_off_midway(sd_pipeline: Any) -> None:
    def no_more_guidance(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if step == 0:
            pipeline._guidance_scale = 0.0
            tensors["prompt_embeds"] = tensors["prompt_embeds"].chunk(2)[-1]
        return tensors

    with vxa.trace(sd_pipeline, negative=True) as trace:
        make(
            sd_pipeline, negative_prompt=NEGATIVE, callback_on_step_end=no_more_guidance,
            callback_on_step_end_tensor_inputs=["prompt_embeds"],
        )  # fmt: skip
    first, second = (next(iter(each[0].records.values())) for each in (trace.maps, trace.negative_maps))
    assert (first.passes, second.passes) == ((3,), (1,))  # type: ignore[attr-defined]


def test_rows_that_are_not_the_prompts_are_refused(sd_pipeline: Any) -> None:
    def other_prompt(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        return {"prompt_embeds": tensors["prompt_embeds"] + 1}

    with pytest.raises(RecordingError, match="cannot tell apart"), vxa.trace(sd_pipeline):
        make(
            sd_pipeline, callback_on_step_end=other_prompt,
            callback_on_step_end_tensor_inputs=["prompt_embeds"],
        )  # fmt: skip


def test_two_texts_for_the_two_encoders_are_told(sdxl_pipeline: Any) -> None:
    with vxa.trace(sdxl_pipeline) as trace:
        make(sdxl_pipeline, prompt_2=OTHER)
    assert trace.maps[0].provenance.notes == (
        f"the second text encoder read {OTHER!r} at the same positions",
    )


def test_nothing_traced_is_said(sd_pipeline: Any) -> None:
    with vxa.trace(sd_pipeline) as trace:
        sd_pipeline.encode_prompt(PROMPT, "cpu", 1, True)
    assert trace.calls == ()
    assert trace.nbytes == 0
    with pytest.raises(RecordingError, match="nothing was traced"):
        _ = trace.maps


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"bins": 0}, SettingError, "give a whole number from 1"),
        ({"sites": "OUT99"}, SiteError, "no site here is called 'OUT99'"),
        ({"words": "hat", "tokens": "1"}, SettingError, "choose by one of them"),
    ],
)
def test_a_bad_argument_is_refused_at_once(
    given: dict[str, Any], error: type[Exception], message: str, sd_pipeline: Any
) -> None:
    with pytest.raises(error, match=message), vxa.trace(sd_pipeline, **given):
        pytest.fail("the block must not be entered")


def test_a_model_without_a_pipeline_is_refused() -> None:
    class Bare:
        name, sites = "bare", ()

        def denoise(self) -> None: ...

    with pytest.raises(ModelError, match="bare has no pipeline"), vxa.trace(Bare()):
        pytest.fail("the block must not be entered")
