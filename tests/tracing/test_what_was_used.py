"""Masks and attention processors: the map is what the network used, or one sentence says why not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor, AttnProcessor2_0
from support.generating import PROMPT, is_left_alone, make
from support.oracle import largest_error, oracle
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import _get_current_function_mode_stack

import vxa
from vxa.errors import RecordingError

# diffusers' Euler schedulers convert a tensor to numpy in a deprecated way.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

HAT = 2  # the prompt's token


def test_a_mask_on_the_context_is_applied(pipeline: Any) -> None:
    mask = torch.ones(2, 77)
    mask[:, 3:] = 0
    forward = pipeline.unet.forward
    pipeline.unet.forward = lambda *args, **kwargs: forward(
        *args, **{**kwargs, "encoder_attention_mask": mask}
    )
    with oracle(pipeline) as passes, vxa.trace(pipeline) as trace:
        make(pipeline)
    assert largest_error(trace.maps[0], passes, [1] * len(passes)) < 1e-6
    assert trace.maps[0].heat_map(tokens="3-76", sites="all").values.max() == 0
    assert trace.maps[0].heat_map("hat", sites="all").values.min() > 0


class Eager(AttnProcessor):
    """Computes its own softmax and leaves the word out of it."""

    def __call__(
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Any = None, **more: Any
    ) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)
        query, key, value = (attn.head_to_batch_dim(each) for each in (query, key, value))
        scores = attn.get_attention_scores(query, key)
        if encoder_hidden_states is not None:
            scores = self.edit(scores)
        output = attn.batch_to_head_dim(self.multiply(scores, value))
        made: Tensor = attn.to_out[0](output)
        return made

    def edit(self, scores: Tensor) -> Tensor:
        scores = scores.clone()
        scores[..., HAT] = 0
        return scores

    def multiply(self, scores: Tensor, value: Tensor) -> Tensor:
        return torch.bmm(scores, value)


class Einsum(Eager):
    def multiply(self, scores: Tensor, value: Tensor) -> Tensor:
        return torch.einsum("b i j, b j d -> b i d", scores, value)


class Operator(Eager):
    def multiply(self, scores: Tensor, value: Tensor) -> Tensor:
        return scores @ value


class InPlace(Eager):
    def edit(self, scores: Tensor) -> Tensor:
        scores[..., HAT] = 0
        return scores


class Biased(AttnProcessor2_0):
    """Hides the word by a mask of its own, in the fused kernel."""

    def __call__(
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Any = None, **more: Any
    ) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            attn.head_to_batch_dim(each, out_dim=4)
            for each in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context))
        )
        mask = None
        if encoder_hidden_states is not None:
            mask = self.mask(query.shape[2], key.shape[2])
        output = scaled_dot_product_attention(query, key, value, mask)
        made: Tensor = attn.to_out[0](output.transpose(1, 2).flatten(2))
        return made

    def mask(self, queries: int, tokens: int) -> Tensor:
        mask = torch.zeros(queries, tokens)
        mask[:, HAT] = -math.inf
        return mask


class Boolean(Biased):
    def mask(self, queries: int, tokens: int) -> Tensor:
        return super().mask(queries, tokens) == 0


@pytest.mark.parametrize("processor", [Eager, Einsum, Operator, InPlace, Biased, Boolean])
def test_a_processor_that_leaves_a_word_out_gives_an_empty_map_of_it(
    processor: Callable[[], Any], pipeline: Any
) -> None:
    pipeline.unet.set_attn_processor(processor())
    plain = make(pipeline)
    with vxa.trace(pipeline, self_attention="all") as trace:
        assert torch.equal(make(pipeline), plain)
    (maps,) = trace.maps
    assert maps.heat_map("hat", sites="all").values.max() == 0
    assert maps.heat_map("red", sites="all").values.min() > 0
    looked = vxa.visualize(pipeline, np.zeros((16, 8, 3), np.uint8), PROMPT, self_attention="all")
    assert looked.heat_map("hat", sites="all").values.max() == 0
    assert looked.heat_map("red", refine=True).values.max() > 0
    assert is_left_alone(pipeline)
    assert not _get_current_function_mode_stack()  # type: ignore[no-untyped-call]


def test_the_values_of_a_processor_of_ones_own(pipeline: Any) -> None:
    """One that edits nothing gives the same maps as the stock processor, whichever way they are read."""

    class Plain(Biased):
        def mask(self, queries: int, tokens: int) -> Any:
            return None

    image = np.zeros((16, 8, 3), np.uint8)
    stock = vxa.visualize(pipeline, image, PROMPT, self_attention="all")
    pipeline.unet.set_attn_processor(Plain())
    with oracle(pipeline) as passes, vxa.trace(pipeline) as trace:
        make(pipeline)
    assert largest_error(trace.maps[0], passes, [1] * len(passes)) < 1e-6
    own = vxa.visualize(pipeline, image, PROMPT, self_attention="all")
    for name, record in stock.records.items():
        every = range(record.token_count)
        assert torch.allclose(own.records[name].tokens(every), record.tokens(every), atol=1e-6)


def test_maps_of_edited_attention_are_saved_and_read(sd_pipeline: Any, tmp_path: Any) -> None:
    sd_pipeline.unet.set_attn_processor(Eager())
    maps = vxa.visualize(sd_pipeline, np.zeros((16, 8, 3), np.uint8), PROMPT)
    read = vxa.read_maps(vxa.write_maps(maps, tmp_path / "maps.npz"))
    for heads in (None, 1):
        want, got = (each.heat_map("red", heads=heads).values for each in (maps, read))
        assert np.array_equal(want, got)


class Opaque(AttnProcessor2_0):
    """Computes attention in a way that nobody sees."""

    def __call__(
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Any = None, **more: Any
    ) -> Tensor:
        return hidden_states


def test_a_processor_that_cannot_be_read_is_named(pipeline: Any) -> None:
    pipeline.unet.set_attn_processor(Opaque())
    message = "computed by Opaque, which neither calls scaled_dot_product_attention nor multiplies"
    with pytest.raises(RecordingError, match=message), vxa.trace(pipeline):
        make(pipeline)
    assert is_left_alone(pipeline)
    assert not _get_current_function_mode_stack()  # type: ignore[no-untyped-call]


def test_a_processor_that_is_set_in_the_middle_is_told(sd_pipeline: Any) -> None:
    def exchange(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        pipeline.unet.set_attn_processor(Eager())
        return tensors

    with pytest.raises(RecordingError, match="was given Eager while it was watched"), vxa.trace(sd_pipeline):
        make(sd_pipeline, callback_on_step_end=exchange)


def test_scores_that_a_layer_was_made_to_edit(sd_pipeline: Any) -> None:
    """The stock processor, on layers whose own method was replaced."""
    sd_pipeline.unet.set_attn_processor(AttnProcessor())

    def edited(scores: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return lambda *args: Eager().edit(scores(*args))

    for name, layer in sd_pipeline.unet.named_modules():
        if name.endswith("attn2"):
            layer.get_attention_scores = edited(layer.get_attention_scores)
    with vxa.trace(sd_pipeline) as trace:
        make(sd_pipeline)
    assert trace.maps[0].heat_map("hat", sites="all").values.max() == 0


def test_a_scale_that_the_fused_processor_does_not_read(sd_pipeline: Any) -> None:
    for name, layer in sd_pipeline.unet.named_modules():
        if name.endswith("attn2"):
            layer.scale = 7.0
    with oracle(sd_pipeline) as passes, vxa.trace(sd_pipeline) as trace:
        make(sd_pipeline)
    assert largest_error(trace.maps[0], passes, [1] * len(passes)) < 1e-6


def test_attention_that_is_no_number_is_an_error(sd_pipeline: Any) -> None:
    image = np.zeros((16, 8, 3), np.uint8)
    sd_pipeline.unet.up_blocks[1].attentions[0].proj_in.weight.data.fill_(torch.nan)
    first = r"up_blocks\.1\.attentions\.0.*not finite"
    with pytest.raises(RecordingError, match=first):
        vxa.visualize(sd_pipeline, image, PROMPT)
    with vxa.trace(sd_pipeline, sites="up") as trace:
        make(sd_pipeline)
    with pytest.raises(RecordingError, match=first):
        _ = trace.maps
    with pytest.raises(RecordingError, match="not finite"):
        vxa.attribute(sd_pipeline, image, PROMPT)
    sd_pipeline.vae.encoder.conv_in.weight.data.fill_(torch.nan)
    with pytest.raises(RecordingError, match="the image's latent is not finite"):
        vxa.visualize(sd_pipeline, image + 1, PROMPT)
