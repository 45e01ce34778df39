from __future__ import annotations

import functools
import threading
from typing import Any

import pytest
import torch

from vxa.errors import RecordingError
from vxa.models.prompt_events import EncodedPrompts, listen_to_prompts


class Pipeline:
    """A minimal pipeline: `encode_prompt` alone."""

    def encode_prompt(
        self, prompt: Any, device: str = "cpu", num_images_per_prompt: int = 1,
        do_classifier_free_guidance: bool = True, negative_prompt: Any = None, prompt_embeds: Any = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:  # fmt: skip
        count = 1 if isinstance(prompt, str) else len(prompt_embeds if prompt is None else prompt)
        context = torch.zeros(count * num_images_per_prompt, 5, 3)
        return context, context if do_classifier_free_guidance else None


def test_each_image_has_its_prompts() -> None:
    pipeline, heard = Pipeline(), list[EncodedPrompts]()
    with listen_to_prompts(pipeline, heard.append):
        pipeline.encode_prompt(["a", "b"], num_images_per_prompt=2, negative_prompt=["c", "d"])
        pipeline.encode_prompt("a", "cpu", 2, False)
        pipeline.encode_prompt(None, prompt_embeds=torch.zeros(3, 5, 3), negative_prompt="c")
    assert [each.prompts for each in heard] == [("a", "a", "b", "b"), ("a", "a"), (None,) * 3]
    assert [each.negatives for each in heard] == [("c", "c", "d", "d"), ("", ""), ("c",) * 3]
    assert [each.negative_context is None for each in heard] == [False, True, False]
    assert "encode_prompt" not in vars(pipeline)


def test_listeners_come_and_go_in_any_order() -> None:
    pipeline, first, second = Pipeline(), list[EncodedPrompts](), list[EncodedPrompts]()
    one, other = listen_to_prompts(pipeline, first.append), listen_to_prompts(pipeline, second.append)
    one.__enter__()
    other.__enter__()
    pipeline.encode_prompt("a")
    one.__exit__(None, None, None)
    pipeline.encode_prompt("b")
    other.__exit__(None, None, None)
    pipeline.encode_prompt("c")
    assert [len(heard) for heard in (first, second)] == [1, 2]
    assert "encode_prompt" not in vars(pipeline)


def test_what_somebody_else_put_there_is_put_back() -> None:
    pipeline, calls = Pipeline(), list[str]()
    original = pipeline.encode_prompt

    def own(prompt: str) -> Any:
        calls.append(prompt)
        return original(prompt)

    pipeline.encode_prompt = own  # type: ignore[method-assign]
    with listen_to_prompts(pipeline, lambda encoded: None):
        pipeline.encode_prompt("a")
    assert calls == ["a"]
    assert vars(pipeline)["encode_prompt"] is own


@pytest.mark.parametrize("wraps", [False, True], ids=["plain", "wraps"])
def test_what_somebody_puts_there_meanwhile_stays(wraps: bool) -> None:
    pipeline, heard, calls = Pipeline(), list[EncodedPrompts](), list[str]()
    with listen_to_prompts(pipeline, heard.append):
        inner = pipeline.encode_prompt

        def own(prompt: str) -> Any:
            calls.append(prompt)
            return inner(prompt)

        mine = functools.wraps(inner)(own) if wraps else own
        pipeline.encode_prompt = mine  # type: ignore[method-assign]
        pipeline.encode_prompt("a")
        with listen_to_prompts(pipeline, heard.append):
            pipeline.encode_prompt("b")
    assert vars(pipeline)["encode_prompt"] is mine
    pipeline.encode_prompt("c")
    assert calls == ["a", "b", "c"]
    assert [each.prompts for each in heard] == [("a",), ("b",), ("b",)]


def test_whose_cutting_is_known() -> None:
    """Only diffusers' own method is known to cut a prompt off after 75 tokens."""
    heard = list[EncodedPrompts]()
    standard = type("Standard", (Pipeline,), {"encode_prompt": Pipeline.encode_prompt})()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pipeline.encode_prompt, "__module__", "diffusers.pipelines.some")
        with listen_to_prompts(standard, heard.append):
            standard.encode_prompt("a")
        standard.encode_prompt = functools.wraps(standard.encode_prompt)(lambda prompt: pipeline_result())
        with listen_to_prompts(standard, heard.append):
            standard.encode_prompt("a")
    assert [each.is_standard for each in heard] == [True, False]


def pipeline_result() -> tuple[torch.Tensor, None]:
    return torch.zeros(1, 5, 3), None


def test_another_threads_prompts_are_not_heard() -> None:
    pipeline, heard = Pipeline(), list[EncodedPrompts]()
    with listen_to_prompts(pipeline, heard.append):
        thread = threading.Thread(target=pipeline.encode_prompt, args=("a",))
        thread.start()
        thread.join()
    assert heard == []


def test_a_pipeline_without_the_method_is_refused() -> None:
    with (
        pytest.raises(RecordingError, match="object has no encode_prompt"),
        listen_to_prompts(object(), print),
    ):
        pytest.fail("the block must not be entered")
