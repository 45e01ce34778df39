"""Pictures from prompts of any length, by pipelines that read 75 tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch

pytest.importorskip("diffusers")
import vxa
from vxa.generation.generate import make_image
from vxa.generation.settings import GenerationSettings

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
