"""Pictures from prompts of any length, by pipelines that read 75 tokens."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers")
import vxa
from vxa.generation.expected import expected_image, expected_maps
from vxa.generation.images import make_image
from vxa.generation.settings import GenerationSettings
from vxa.generation.traced_image import make_traced
from vxa.tracing.generation import TracedCall

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE: dict[str, Any] = {"size": "16x8", "steps": 2, "guidance": 3.0}
LONG = "red " * 80 + "neck"


def seen_by(model: Any) -> tuple[list[dict[str, Any]], Any]:
    """Record the network's keyword arguments at each pass."""
    passes: list[dict[str, Any]] = []
    handle = model.network.register_forward_pre_hook(
        lambda network, args, given: passes.append(given), with_kwargs=True
    )
    return passes, handle


@pytest.mark.parametrize("kind", ["sd_model", "sdxl_model"])
def test_a_long_prompt_is_read_whole(request: pytest.FixtureRequest, kind: str) -> None:
    model = request.getfixturevalue(kind)
    passes, handle = seen_by(model)
    with vxa.trace(model, negative=True) as trace:
        make_image(model, LONG, GenerationSettings("hat", **SIZE))
    handle.remove()
    wanted, empty = (model.encode_prompt(text, (16, 8)) for text in (LONG, ""))
    context = passes[0]["encoder_hidden_states"]
    assert torch.equal(context[1:], wanted.context)
    assert torch.equal(context[:1, 77:], empty.context)
    if kind == "sdxl_model":
        assert torch.equal(passes[0]["added_cond_kwargs"]["text_embeds"][1:], wanted.extra["text_embeds"])
    (maps,), (negative,) = trace.maps, trace.negative_maps
    assert maps.tokens == model.tokenize(LONG)
    assert maps.heat_map("neck").values.max() > 0
    assert negative.provenance.prompt == "hat"
    assert negative.heat_map("hat").values.max() > 0


def test_a_long_negative_prompt_stands_beside_a_short_prompt(sd_model: Any) -> None:
    with vxa.trace(sd_model) as trace:
        make_image(sd_model, "red hat", GenerationSettings(LONG, **SIZE))
    assert len(trace.maps[0].tokens) == 154
    assert [word.text for word in trace.maps[0].words] == ["red", "hat"]


def test_a_prompt_that_the_pipeline_reads_is_left_to_it(sd_model: Any) -> None:
    passes, handle = seen_by(sd_model)
    made = make_image(sd_model, "red " * 75, GenerationSettings("hat", seed=3, **SIZE))
    handle.remove()
    assert passes[0]["encoder_hidden_states"].shape[1] == 77
    own = sd_model.pipeline(
        prompt="red " * 75, negative_prompt="hat", num_inference_steps=2, guidance_scale=3.0, height=16,
        width=8, generator=torch.Generator().manual_seed(3),
    ).images[0]  # fmt: skip
    assert made.tobytes() == own.tobytes()


@pytest.fixture
def steps(sd_model: Any) -> list[int]:
    """The network's passes from now on."""
    passes: list[int] = []
    sd_model.network.register_forward_pre_hook(lambda network, args: passes.append(1))
    return passes


@pytest.mark.parametrize(
    ("prompts", "options", "message"),
    [
        (["red hat", "neck"], {"words": "hat"}, "word 'hat' is not in the prompt; its words are: neck"),
        (["red hat"], {"words": "hta"}, "did you mean hat"),
        (["red hat"], {"tokens": "77"}, "index 77 in '77' is out of range"),
        (["red hat"], {"words": "hat", "tokens": "1"}, "both words 'hat' and tokens '1' were given"),
        (["red hat"], {"sites": "5x5"}, "no site here is called '5x5'"),
        (["red hat"], {"sites": "nowhere"}, "no site here is called 'nowhere'"),
        (["red hat"], {"self_attention": "nowhere"}, "no site here is called 'nowhere'"),
        (["red hat"], {"bins": "many"}, "bins 'many' is not allowed"),
        (["red hat"], {"negative": True, "words": "hta"}, "word 'hta' is not in the prompt"),
    ],
)
def test_what_a_trace_could_not_answer_is_refused_before_the_first_step(
    sd_model: Any, steps: list[int], prompts: list[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(vxa.VxaError, match=re.escape(message)) as caught:
        vxa.generate(sd_model, prompts, trace=options, **SIZE)
    assert (steps, caught.value.images) == ([], ())


def test_a_word_of_the_negative_prompt_is_no_mistake_where_it_is_traced(
    sd_model: Any, steps: list[int]
) -> None:
    asked = {"negative": "a neck", "trace": {"negative": True, "words": "hat, neck"}}
    made = vxa.generate(sd_model, "red hat", **asked, **SIZE)
    assert made.negative_maps[0].heat_map("neck").values.max() > 0
    assert made.maps[0].provenance.seed == made.negative_maps[0].provenance.seed == 0
    steps.clear()
    with pytest.raises(vxa.SettingError, match="guidance 1 reads no negative prompt to trace"):
        vxa.generate(sd_model, "red hat", **asked, **(SIZE | {"guidance": 1}))
    assert steps == []


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (vxa.RecordingError("no"), vxa.RecordingError),
        (MemoryError("too much"), vxa.RecordingError),
        (torch.OutOfMemoryError("too much"), vxa.RecordingError),
        (KeyError("x"), KeyError),
    ],
)
def test_an_error_of_the_trace_has_the_pictures_with_it(
    sd_model: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, told: type[Exception]
) -> None:
    wanted = vxa.generate(sd_model, ["hat", "neck"], **SIZE).images
    fails_at_pass(monkeypatch, 4, error)
    with pytest.raises(told) as caught:
        vxa.generate(sd_model, ["hat", "neck", "red"], trace=True, **SIZE)
    assert [image.tobytes() for image in caught.value.images] == [image.tobytes() for image in wanted]
    assert not any(part._forward_hooks for part in sd_model.network.modules())


def test_an_error_of_the_first_pass_makes_no_picture(sd_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fails_at_pass(monkeypatch, 1, vxa.RecordingError("the sky fell"))
    with pytest.raises(vxa.RecordingError, match="the sky fell") as caught:
        vxa.generate(sd_model, "hat", trace=True, **SIZE)
    assert caught.value.images == ()


def test_what_is_called_after_a_step_ends_the_generation(sd_model: Any) -> None:
    called = []

    def stop() -> None:
        called.append(1)
        raise KeyError("stop")

    with pytest.raises(KeyError):
        vxa.generate(sd_model, "hat", trace=True, on_step=stop, **SIZE)
    assert called == [1]


def fails_at_pass(monkeypatch: pytest.MonkeyPatch, number: int, error: Exception) -> None:
    """Let the trace fail at the end of the pass of this number, from 1."""
    passes = []
    end_pass = TracedCall.end_pass

    def failing(call: TracedCall) -> None:
        passes.append(1)
        if len(passes) == number:
            raise error
        end_pass(call)

    monkeypatch.setattr(TracedCall, "end_pass", failing)


@pytest.mark.parametrize("kind", ["sd_model", "sdxl_model"])
@pytest.mark.parametrize(
    ("prompt", "negative", "size", "options"),
    [
        ("red hat", "", None, {}),
        ("red hat", LONG, "16x8", {"bins": 2, "self_attention": True}),
        ("red hat", "neck", "16x8", {"bins": "each", "heads": True, "words": "hat"}),
        (LONG, "", "8x16", {"sites": "up", "tokens": "1-3"}),
    ],
)
def test_expected_maps_are_those_of_the_generation_but_for_their_values(
    request: pytest.FixtureRequest, kind: str, prompt: str, negative: str, size: str | None,
    options: dict[str, Any],
) -> None:  # fmt: skip
    model = request.getfixturevalue(kind)
    settings = GenerationSettings(negative, steps=2, guidance=3.0, size=size)
    expected = expected_maps(model, prompt, settings, **options)
    made = make_traced(model, prompt, settings, options=options)
    (maps,) = made.maps
    assert expected_image(expected).size == made.image.size
    for name in ("sites", "tokens", "image_size", "extent", "latent_size", "default_sites", "self_sites"):
        assert getattr(expected, name) == getattr(maps, name), name
    assert [(each.first, each.last) for each in expected.steps] == [
        (each.first, each.last) for each in maps.steps
    ]
    for name, record in maps.records.items():
        like = expected.records[name]
        assert (like.sums.shape, like.grid, like.kept) == (record.sums.shape, record.grid, record.kept), name
        assert like.token_count == record.token_count
        assert like.tokens([0 if like.kept is None else like.kept[0]]).numpy() == pytest.approx(
            1 / like.token_count
        )
