from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.generating import NEGATIVE, OTHER, PROMPT, is_left_alone, make, single_pass_mean

import vxa
from vxa.errors import (
    HeadError,
    PromptError,
    RecordingError,
    SettingError,
    TokenIndexError,
    WordError,
)
from vxa.models.diffusers import DiffusersModel

# diffusers' Euler schedulers convert a tensor to numpy in a deprecated way.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


@pytest.mark.parametrize("guidance", [4.0, 1.0], ids=["guided", "unguided"])
def test_a_trace_is_the_mean_of_its_single_passes_and_changes_nothing(pipeline: Any, guidance: float) -> None:
    plain = make(pipeline, guidance_scale=guidance)
    expected = single_pass_mean(pipeline, PROMPT, row=1 if guidance > 1 else 0, guidance_scale=guidance)
    with vxa.trace(pipeline) as trace:
        traced = make(pipeline, guidance_scale=guidance)
    assert torch.equal(plain, traced)
    assert is_left_alone(pipeline)
    (maps,) = trace.maps
    assert list(maps.records) == list(expected)
    for name, values in expected.items():
        assert torch.allclose(maps.records[name].tokens(range(77)), values, atol=1e-6)
    assert maps.image_size == (16, 8)
    assert maps.heat_map("hat", sites="all").upsampled().shape == (16, 8)
    assert (maps.provenance.noise, maps.provenance.seed, maps.provenance.prompt) == (
        "generated",
        None,
        PROMPT,
    )


def test_every_image_of_every_prompt_has_its_own_maps(pipeline: Any) -> None:
    with vxa.trace(pipeline, negative=True) as trace:
        make(pipeline, [PROMPT, OTHER], num_images_per_prompt=2, negative_prompt=["", NEGATIVE])
    assert [maps.provenance.prompt for maps in trace.maps] == [PROMPT, PROMPT, OTHER, OTHER]
    assert [maps.provenance.prompt for maps in trace.negative_maps] == ["", "", NEGATIVE, NEGATIVE]
    first, second = (maps.heat_map("neck", sites="all").values for maps in trace.maps[2:])
    assert not np.array_equal(first, second)  # of other noise
    assert trace.negative_maps[3].heat_map("red", sites="all").values.max() > 0
    with vxa.trace(pipeline) as alone:
        make(pipeline, OTHER, num_images_per_prompt=1, negative_prompt=NEGATIVE)
    assert [word.text for word in alone.maps[0].words] == ["a", "neck"]
    with pytest.raises(RecordingError, match="negative=True"):
        _ = alone.negative_maps


def test_the_negative_rows_are_the_unconditional_ones(sd_pipeline: Any) -> None:
    expected = single_pass_mean(sd_pipeline, PROMPT, row=0, negative_prompt=NEGATIVE)
    with vxa.trace(sd_pipeline, negative=True) as trace:
        make(sd_pipeline, negative_prompt=NEGATIVE)
    for name, values in expected.items():
        assert torch.allclose(trace.negative_maps[0].records[name].tokens(range(77)), values, atol=1e-6)


def test_calls_are_kept_apart(sd_pipeline: Any) -> None:
    with vxa.trace(sd_pipeline) as trace:
        make(sd_pipeline)
        make(sd_pipeline, OTHER, height=24)
    assert [call.passes for call in trace.calls] == [3, 3]
    assert [maps.image_size for maps in trace.maps] == [(16, 8), (24, 8)]
    with vxa.trace(sd_pipeline) as second:
        make(sd_pipeline, OTHER, height=24)
    expected = second.maps[0].heat_map("neck").values
    assert np.array_equal(trace.maps[1].heat_map("neck").values, expected)


def test_steps_by_themselves_and_together(sd_pipeline: Any) -> None:
    with vxa.trace(sd_pipeline, bins="each") as trace:
        make(sd_pipeline, num_inference_steps=4)
    (maps,) = trace.maps
    assert [each.label for each in maps.steps] == [f"step {n}" for n in range(4)]
    single = [each.heat_map("hat").values for each in maps.each_bin()]
    assert np.allclose(np.mean(single, axis=0), maps.heat_map("hat").values, atol=1e-6)
    assert np.allclose(maps.at_steps("1-2").heat_map("hat").values, np.mean(single[1:3], axis=0), atol=1e-6)
    assert np.array_equal(maps.at_steps(3).heat_map("hat").values, single[3])
    assert maps.at_steps(0).provenance.level == "t = 751"
    assert maps.provenance.level == "t = 751 … 1"
    with vxa.trace(sd_pipeline) as whole:
        make(sd_pipeline, num_inference_steps=4)
    assert trace.nbytes == 4 * whole.nbytes
    with pytest.raises(SettingError, match="the bins are 0-3"):
        whole.maps[0].at_steps(0)


def test_memory_does_not_grow_with_steps(sd_pipeline: Any) -> None:
    held = []
    for steps in (1, 5):
        with vxa.trace(sd_pipeline) as trace:
            make(sd_pipeline, num_inference_steps=steps)
        held.append(trace.nbytes)
    queries = sum(np.prod(site.grid((8, 4))) for site in trace.maps[0].sites)
    assert held == [queries * 77 * 4] * 2


SCHEDULERS = [
    "DDIMScheduler", "DDPMScheduler", "PNDMScheduler", "LMSDiscreteScheduler", "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler", "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler", "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler",
    "UniPCMultistepScheduler", "DEISMultistepScheduler",
]  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_step_is_the_schedules_with_any_scheduler(name: str, sd_pipeline: Any) -> None:
    import diffusers

    sd_pipeline.set_progress_bar_config(disable=True)
    sd_pipeline.scheduler = getattr(diffusers, name).from_config(sd_pipeline.scheduler.config)
    told: list[float] = []
    handle = sd_pipeline.unet.register_forward_pre_hook(lambda module, given: told.append(float(given[1])))
    seen: list[int | None] = []
    with vxa.trace(sd_pipeline, bins="each", on_step=lambda call: seen.append(call.step)) as trace:
        make(sd_pipeline, num_inference_steps=5)
    handle.remove()
    levels = list(dict.fromkeys(told))
    assert seen == [levels.index(level) for level in told]
    (maps,) = trace.maps
    assert [each.highest for each in maps.steps] == levels
    record = next(iter(maps.records.values()))
    assert record.passes == tuple(told.count(level) for level in levels)  # type: ignore[attr-defined]


def test_only_chosen_words_are_kept(sd_pipeline: Any) -> None:
    with vxa.trace(sd_pipeline) as whole:
        make(sd_pipeline, [PROMPT, OTHER])
    with vxa.trace(sd_pipeline, words="red hat, neck") as trace:
        make(sd_pipeline, [PROMPT, OTHER])
    assert trace.nbytes == whole.nbytes * (3 + 1) // (2 * 77)
    for kept, all_kept in zip(trace.maps, whole.maps, strict=True):
        assert np.allclose(kept.heat_map("neck").values, all_kept.heat_map("neck").values, atol=1e-7)
    with pytest.raises(TokenIndexError, match="was not kept"):
        trace.maps[1].heat_map("a")
    with vxa.trace(sd_pipeline, tokens="0, 76") as specials:
        make(sd_pipeline)
    assert specials.maps[0].heat_map(tokens="0").values.max() > 0
    message = "word 'hta' is not in the prompt; did you mean hat"
    with pytest.raises(WordError, match=message), vxa.trace(sd_pipeline, words="hta"):
        make(sd_pipeline)
    assert is_left_alone(sd_pipeline)


def test_heads_and_sites(sd_pipeline: Any) -> None:
    with vxa.trace(sd_pipeline, heads=True, sites="mid, 8x4") as trace:
        make(sd_pipeline)
    (maps,) = trace.maps
    assert {site.part for site in maps.sites} == {"down", "mid", "up"}
    each = [maps.heat_map("hat", heads=head, sites="mid").values for head in (0, 1)]
    assert np.allclose(np.mean(each, axis=0), maps.heat_map("hat", sites="mid").values, atol=1e-7)
    with vxa.trace(sd_pipeline) as mean:
        make(sd_pipeline)
    with pytest.raises(HeadError):
        mean.maps[0].heat_map("hat", heads=1)


def test_the_maps_so_far_are_copies(sd_pipeline: Any) -> None:
    so_far: list[Any] = []
    with vxa.trace(sd_pipeline, on_step=lambda call: so_far.append(call.maps[0])) as trace:
        make(sd_pipeline)
    assert len(so_far) == 3
    assert "read 1 of 3 steps" in so_far[0].provenance.notes
    values = [maps.heat_map("hat").values for maps in so_far]
    assert not np.array_equal(values[0], values[2])
    assert np.array_equal(values[2], trace.maps[0].heat_map("hat").values)


def test_a_concept_of_several_vectors_is_traced_as_one_word(sd_pipeline: Any) -> None:
    sd_pipeline.load_textual_inversion({"<toy>": torch.randn(3, 16)}, token="<toy>")
    with vxa.trace(sd_pipeline, words="<toy>") as trace:
        make(sd_pipeline, "<toy><toy>, hat", num_inference_steps=1)
    (maps,) = trace.maps
    assert [(word.text, word.tokens) for word in maps.words] == [
        ("<toy>", (1, 2, 3)), ("<toy>", (4, 5, 6)), (",", (7,)), ("hat", (8,)),
    ]  # fmt: skip
    both = maps.heat_map("<toy>").values
    parts = [maps.heat_map(f"<toy>#{number}").values for number in (1, 2)]
    assert np.allclose(both, sum(parts) / 2, atol=1e-6)


def embeds(pipeline: Any, prompt: str) -> dict[str, torch.Tensor]:
    names = [
        "prompt_embeds",
        "negative_prompt_embeds",
        "pooled_prompt_embeds",
        "negative_pooled_prompt_embeds",
    ]
    found = pipeline.encode_prompt(
        prompt, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=True
    )
    return dict(zip(names, found, strict=False))


def test_embeddings_with_their_text(pipeline: Any) -> None:
    given = embeds(pipeline, PROMPT)
    with vxa.trace(pipeline) as plain:
        make(pipeline)
    for prompt in (PROMPT, [plain.maps[0].tokens]):
        with vxa.trace(pipeline, prompt=prompt) as trace:
            make(pipeline, None, **given)
        expected = plain.maps[0].heat_map("hat").values
        assert np.allclose(trace.maps[0].heat_map("hat").values, expected, atol=1e-7)
    with vxa.trace(pipeline) as heard:
        make(pipeline, None, **embeds(pipeline, PROMPT))
    assert heard.maps[0].provenance.prompt == PROMPT
    message = r"given prompt_embeds, .* trace\(pipeline, prompt="
    with pytest.raises(PromptError, match=message), vxa.trace(pipeline):
        make(pipeline, None, **given)
    assert is_left_alone(pipeline)


def test_a_long_prompt_is_cut_by_the_pipeline_and_whole_by_its_embeddings(sd_pipeline: Any) -> None:
    long = "red " * 80 + "neck"
    with vxa.trace(sd_pipeline) as cut:
        make(sd_pipeline, long)
    assert len(cut.maps[0].words) == 75
    assert cut.maps[0].provenance.notes == ("its prompt was cut off before 'red'",)
    with pytest.raises(WordError):
        cut.maps[0].heat_map("neck")
    model = DiffusersModel(sd_pipeline)
    given = {name: model.encode_prompt(text, (16, 8)).context for name, text in
             [("prompt_embeds", long), ("negative_prompt_embeds", "hat " * 80)]}  # fmt: skip
    with vxa.trace(model, prompt=long) as trace:
        make(sd_pipeline, None, **given)
    assert len(trace.maps[0].tokens) == 154
    assert trace.maps[0].heat_map("neck").values.max() > 0
    with (
        pytest.raises(PromptError, match="not fit its embeddings of 154 positions from position 83 on"),
        vxa.trace(model, prompt=long + long),
    ):
        make(sd_pipeline, None, **given)


def test_a_short_prompt_beside_a_longer_one_is_followed_by_empty_chunks(sd_pipeline: Any) -> None:
    model = DiffusersModel(sd_pipeline)
    short, empty, long = (model.encode_prompt(text, (16, 8)).context for text in (PROMPT, "", "hat " * 80))
    given = {"prompt_embeds": torch.cat([short, empty], 1), "negative_prompt_embeds": long}
    with vxa.trace(model, prompt=PROMPT) as trace:
        make(sd_pipeline, None, **given)
    tokens = trace.maps[0].tokens
    assert tokens[:77] == model.tokenize(PROMPT)
    assert [token.special for token in tokens[77:80]] == ["bos", "eos", "pad"]
    assert trace.maps[0].heat_map("hat").tokens == tuple(t.index for t in tokens if t.text == "hat")
