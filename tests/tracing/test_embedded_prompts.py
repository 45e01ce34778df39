"""Traced pipelines called with embeddings of other programs, and the notes on each image's prompt."""

from __future__ import annotations

from types import MethodType
from typing import Any

import pytest
import torch
from support.embedding_programs import scaled
from support.generating import NEGATIVE, OTHER, PROMPT, is_left_alone, make
from torch import Tensor

import vxa
from vxa.errors import PromptError
from vxa.models.diffusers import DiffusersModel
from vxa.tokens import Token, image_tokens, join_tokens

# diffusers' Euler schedulers convert a tensor to numpy in a deprecated way.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

LONG = "red hat " * 40 + "and neck"


def program(pipeline: Any, *fragments: tuple[str, float]) -> Tensor:
    return scaled(pipeline.tokenizer, pipeline.text_encoder, fragments)[None]


def given(pipeline: Any, prompt: Tensor) -> dict[str, Tensor]:
    return {"prompt_embeds": prompt, "negative_prompt_embeds": torch.zeros_like(prompt)}


def test_the_words_stand_where_the_program_put_them(sd_pipeline: Any) -> None:
    """Chunks of 75 with no regard to the comma, and a weight."""
    text = LONG.replace("hat ", "hat, ", 36).replace("and", "(and:1.3)")
    embeds = program(sd_pipeline, (LONG.replace("hat ", "hat, ", 36).removesuffix("and neck"), 1.0),
                     ("and", 1.3), (" neck", 1.0))  # fmt: skip
    plain = make(sd_pipeline, None, **given(sd_pipeline, embeds))
    with vxa.trace(sd_pipeline, prompt=text) as trace:
        state = torch.get_rng_state()
        assert torch.equal(make(sd_pipeline, None, **given(sd_pipeline, embeds)), plain)
        assert torch.equal(torch.get_rng_state(), state)
    assert is_left_alone(sd_pipeline)
    (maps,) = trace.maps
    assert maps.find_words("neck")[0].tokens == (77 + 1 + 36 * 3 + 4 * 2 + 1 - 75,)
    assert maps.tokens[maps.find_words("and")[0].tokens[0]].weight == 1.3
    assert maps.provenance.notes == ()


@pytest.mark.parametrize("text", [OTHER, PROMPT + " hat", "red hat"])
def test_a_text_that_is_not_the_embeddings_is_refused(text: str, sd_pipeline: Any) -> None:
    embeds = program(sd_pipeline, (PROMPT, 1.0))
    with pytest.raises(PromptError, match="does not fit"), vxa.trace(sd_pipeline, prompt=text):
        make(sd_pipeline, None, **given(sd_pipeline, embeds))
    assert is_left_alone(sd_pipeline)


def test_positions_of_an_image_are_given_as_tokens(sd_pipeline: Any) -> None:
    embeds = torch.cat([program(sd_pipeline, (PROMPT, 1.0)), torch.randn(1, 4, 16)], 1)
    message = r'81 positions from position 77 on.*special="image"'
    with pytest.raises(PromptError, match=message), vxa.trace(sd_pipeline, prompt=PROMPT):
        make(sd_pipeline, None, **given(sd_pipeline, embeds))
    text = DiffusersModel(sd_pipeline).tokenize(PROMPT)
    for prompt in (tokens := join_tokens(text, image_tokens(4)), [tokens]):
        with vxa.trace(sd_pipeline, prompt=prompt) as trace:
            make(sd_pipeline, None, **given(sd_pipeline, embeds))
        (maps,) = trace.maps
        assert [token.special for token in maps.tokens[76:]] == ["pad", *["image"] * 4]
        assert len(maps.tokens) == 81
        assert [word.text for word in maps.words] == ["red", "hat", ",", "neck"]
        assert float(maps.heat_map(tokens="77-80").values.max()) > 0
    for wrong in (text, [*tokens[:80], Token(79, 0, "", None, "image")]):
        message = "embeddings of 81 positions; give one for each"
        with pytest.raises(PromptError, match=message), vxa.trace(sd_pipeline, prompt=[wrong]):
            make(sd_pipeline, None, **given(sd_pipeline, embeds))


def test_joined_tokens_are_numbered_on() -> None:
    hat = (Token(0, 1, "<bos>", None, "bos"), Token(1, 2, "hat", 0, None))
    joined = join_tokens(hat, hat, image_tokens(1))
    assert [(each.index, each.text, each.word) for each in joined] == [
        (0, "<bos>", None), (1, "hat", 0), (2, "<bos>", None), (3, "hat", 1), (4, "<image>", None),
    ]  # fmt: skip


def test_a_pipelines_own_way_to_encode_is_checked(sd_pipeline: Any) -> None:
    """One that parses weights off, as the long-prompt pipelines do."""

    def encode_prompt(pipeline: Any, prompt: str, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        weighted = program(pipeline, ("red ", 1.0), ("hat", 1.4), (", neck", 1.0))
        return weighted, program(pipeline, ("", 1.0))

    sd_pipeline.encode_prompt = MethodType(encode_prompt, sd_pipeline)
    with vxa.trace(sd_pipeline) as trace:
        make(sd_pipeline, "red (hat:1.4), neck")
    assert [(word.text, word.tokens) for word in trace.maps[0].words] == [
        ("red", (1,)), ("hat", (2,)), (",", (3,)), ("neck", (4,)),
    ]  # fmt: skip
    with pytest.raises(PromptError, match="does not fit"), vxa.trace(sd_pipeline):
        make(sd_pipeline, "neck")


class SplitProcessor:
    """Attention over the text's positions alone; the image's, which come last, are kept apart."""

    num_tokens = 4

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **given: Any
    ) -> Tensor:
        from diffusers.models.attention_processor import AttnProcessor

        assert encoder_hidden_states is not None
        text = encoder_hidden_states[:, : -self.num_tokens]
        found: Tensor = AttnProcessor()(attn, hidden_states, text, **given)
        return found


def test_image_positions_that_the_layers_keep_apart_are_no_text(sd_pipeline: Any) -> None:
    """As the processors of an IP-Adapter's own package do."""
    own = sd_pipeline.unet.attn_processors
    sd_pipeline.unet.set_attn_processor(
        {name: SplitProcessor() if "attn2" in name else each for name, each in own.items()}
    )
    embeds = torch.cat([program(sd_pipeline, (PROMPT, 1.0)), torch.randn(1, 4, 16)], 1)
    text = DiffusersModel(sd_pipeline).tokenize(PROMPT)
    for prompt in (PROMPT, [join_tokens(text, image_tokens(4))]):
        with vxa.trace(sd_pipeline, prompt=prompt) as trace:
            make(sd_pipeline, None, **given(sd_pipeline, embeds))
        assert trace.maps[0].tokens == text


def test_notes_are_those_of_the_image_and_its_branch(sd_pipeline: Any) -> None:
    with vxa.trace(sd_pipeline, negative=True) as trace:
        make(
            sd_pipeline, [PROMPT, LONG], negative_prompt=[LONG.replace("hat", "neck"), NEGATIVE],
            num_inference_steps=1,
        )  # fmt: skip
    assert [maps.provenance.notes for maps in trace.maps] == [(), ("its prompt was cut off before 'hat'",)]
    assert [maps.provenance.notes for maps in trace.negative_maps] == [
        ("its prompt was cut off before 'neck'",),
        (),
    ]


def test_a_word_that_is_cut_in_its_middle_is_told(sd_pipeline: Any) -> None:
    with vxa.trace(sd_pipeline) as trace:
        make(sd_pipeline, "hat " * 73 + "catbird", num_inference_steps=1)
    (maps,) = trace.maps
    assert maps.words[-1].tokens == (74, 75)
    assert maps.provenance.notes == ("its prompt was cut off within 'catbird'",)


def test_each_images_second_text_is_told(sdxl_pipeline: Any) -> None:
    with vxa.trace(sdxl_pipeline, negative=True) as trace:
        make(
            sdxl_pipeline, [PROMPT, OTHER], prompt_2=[OTHER, OTHER], negative_prompt=["", NEGATIVE],
            negative_prompt_2=[NEGATIVE, NEGATIVE], num_inference_steps=1,
        )  # fmt: skip
    note = "the second text encoder read {!r} at the same positions"
    assert [maps.provenance.notes for maps in trace.maps] == [(note.format(OTHER),), ()]
    assert [maps.provenance.notes for maps in trace.negative_maps] == [(note.format(NEGATIVE),), ()]


def test_embeddings_of_two_texts_are_told(sdxl_pipeline: Any) -> None:
    names = (
        "prompt_embeds",
        "negative_prompt_embeds",
        "pooled_prompt_embeds",
        "negative_pooled_prompt_embeds",
    )
    found = sdxl_pipeline.encode_prompt(PROMPT, prompt_2=OTHER, device="cpu", num_images_per_prompt=1)
    with vxa.trace(sdxl_pipeline, prompt=PROMPT) as trace:
        make(sdxl_pipeline, None, **dict(zip(names, found, strict=True)), num_inference_steps=1)
    assert trace.maps[0].provenance.notes == ("the second text encoder's embeddings do not fit this prompt",)
