"""Embeddings that other programs made: their tokens found, or refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.embedding_programs import from_empty, ids_of, layer_before, scaled
from torch import Tensor

import vxa
from vxa.errors import PromptError
from vxa.models.clip import text_encoders
from vxa.models.embeddings import EmbeddedPrompt, read_embeddings
from vxa.tokens import words

LONG = "a red hat, " * 24 + "a boy wearing a blue hat , his white cat"
PLAIN = [(LONG, 1.0)]


@pytest.fixture(scope="module")
def papercut() -> Any:
    return vxa.load("papercut").pipeline  # type: ignore[attr-defined]


@pytest.fixture(params=["papercut", "sd"])
def pipeline(request: pytest.FixtureRequest) -> Any:
    """One trained text encoder, one of 16 random channels."""
    name = request.param if request.param == "papercut" else "sd_pipeline"
    return request.getfixturevalue(name)


def read(pipeline: Any, prompt: str, embeddings: Tensor, penultimate: bool = False) -> EmbeddedPrompt:
    return read_embeddings(text_encoders(pipeline, penultimate), prompt, embeddings, torch.device("cpu"))


def places(prompt: EmbeddedPrompt, word: str) -> list[tuple[int, ...]]:
    return [each.tokens for each in words(prompt.tokens) if each.text == word]


def own_places(pipeline: Any, text: str, word: str, cuts: list[int]) -> list[tuple[int, ...]]:
    """Where a word of one token stands in chunks that end at the cuts, counted by hand."""
    ids = ids_of(pipeline.tokenizer, [(text, 1.0)])[0]
    wanted = ids_of(pipeline.tokenizer, [(word, 1.0)])[0]
    found = []
    for at in range(len(ids)):
        if ids[at : at + len(wanted)] == wanted:
            chunk = [sum(place >= cut for cut in cuts) for place in range(at, at + len(wanted))]
            starts = [0, *cuts]
            found.append(
                tuple(77 * number + 1 + at + step - starts[number] for step, number in enumerate(chunk))
            )
    return found


@pytest.mark.parametrize("cuts", [[75], [20], [69], [11, 60], [75, 80]])
@pytest.mark.parametrize("fill", [True, False], ids=["filled", "short"])
def test_every_cutting_is_found(cuts: list[int], fill: bool, pipeline: Any) -> None:
    """After 75 tokens, at a BREAK, at a comma, at sentence ends; the last chunk padded or not."""
    text = "a red hat and a blue hat on a neck " * 2 + "a red hat, a white neck"
    count = len(ids_of(pipeline.tokenizer, [(text, 1.0)])[0])
    while count <= cuts[-1]:
        text += " a red hat"
        count = len(ids_of(pipeline.tokenizer, [(text, 1.0)])[0])
    given = scaled(pipeline.tokenizer, pipeline.text_encoder, [(text, 1.0)], cuts, fill)
    found = read(pipeline, text, given)
    assert len(found.tokens) == len(given)
    assert [token.index for token in found.tokens] == list(range(len(given)))
    assert places(found, "neck") == own_places(pipeline, text, "neck", cuts) != []
    assert places(found, "hat") == own_places(pipeline, text, "hat", cuts)


@pytest.mark.parametrize("count", [75, 150])
def test_a_prompt_that_ends_with_its_chunk(count: int, pipeline: Any) -> None:
    text = "hat " * (count - 1) + "neck"
    ids = ids_of(pipeline.tokenizer, [(text, 1.0)])[0]
    found = read(pipeline, text, scaled(pipeline.tokenizer, pipeline.text_encoder, [(text, 1.0)]))
    assert len(found.tokens) == 77 * -(-len(ids) // 75)
    assert places(found, "neck") == own_places(pipeline, text, "neck", [75] if len(ids) > 75 else [])


WEIGHTED = [
    ("a (red:1.3) hat, [neck] and ((hat))", [("a ", 1), ("red", 1.3), (" hat, ", 1), ("neck", 1 / 1.1),
     (" and ", 1), ("hat", 1.21)]),
    ("a red++ hat and (a neck)1.4", [("a ", 1), ("red", 1.21), (" hat and ", 1), ("a neck", 1.4)]),
    ("a red- hat, (neck)0.3 and hat+", [("a ", 1), ("red", 0.9), (" hat, ", 1), ("neck", 0.3), (" and ", 1),
     ("hat", 1.1)]),
    ("a (red:0) hat and neck", [("a ", 1), ("red", 0), (" hat and neck", 1)]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "fragments"), WEIGHTED, ids=[text for text, _ in WEIGHTED])
@pytest.mark.parametrize("program", ["scaled", "mean kept", "from the empty prompt"])
def test_weights_are_parsed_off_and_left_open(
    program: str, text: str, fragments: list[tuple[str, float]], pipeline: Any
) -> None:
    parts = pipeline.tokenizer, pipeline.text_encoder
    if program == "from the empty prompt":
        if "0)" in text or "[" in text:
            fragments = [(part, max(weight, 1.0)) for part, weight in fragments]
            text = text.replace("(red:0)", "red").replace("[neck]", "neck")
        given = from_empty(*parts, fragments)
    else:
        given = scaled(*parts, fragments, keep_mean=program == "mean kept")
    found = read(pipeline, text, given)
    plain = " ".join(part for part, _ in fragments)
    assert places(found, "neck") == own_places(pipeline, plain, "neck", [])
    assert places(found, "hat") == own_places(pipeline, plain, "hat", [])


def test_the_tokens_have_the_weights_of_the_text(papercut: Any) -> None:
    given = scaled(papercut.tokenizer, papercut.text_encoder, [("a ", 1), ("red hat", 1.3), (" cat", 1)])
    tokens = read(papercut, "a (red hat:1.3) cat", given).tokens
    assert [token.weight for token in tokens[:6]] == [1, 1, 1.3, 1.3, 1, 1]
    assert [token.weight for token in read(papercut, "a red hat cat", given).tokens[:4]] == [1, 1, 1, 1]


def test_parts_joined_and_filled_up_with_the_empty_prompt_or_zeros(papercut: Any) -> None:
    parts = papercut.tokenizer, papercut.text_encoder
    first, second, empty = (scaled(*parts, [(text, 1.0)]) for text in ("a red hat", "a cat", ""))
    joined = torch.cat([first, second, empty, torch.zeros_like(empty)])
    for text in ('("a red hat", "a cat").and()', "a red hat BREAK a cat", "a red hat a cat"):
        found = read(papercut, text, joined)
        assert [each.tokens for each in words(found.tokens)] == [(1,), (2,), (3,), (78,), (79,)]
        assert [found.tokens[at].special for at in (77, 80, 154, 155, 231, 307)] == [
            "bos", "eos", "bos", "eos", "pad", "pad",
        ]  # fmt: skip


def test_the_first_chunks_end_in_every_chunk(papercut: Any) -> None:
    """As compel writes it into a long prompt's chunks."""
    given = scaled(papercut.tokenizer, papercut.text_encoder, PLAIN)
    ids = ids_of(papercut.tokenizer, PLAIN)[0]
    end = 77 * ((len(ids) - 1) // 75) + 1 + (len(ids) - 1) % 75 + 1
    given[end] = given[76]
    assert places(read(papercut, LONG, given), "cat") == own_places(papercut, LONG, "cat", [75])
    given[end] = given[75]
    with pytest.raises(PromptError, match=f"from position {end} on"):
        read(papercut, LONG, given)


@pytest.mark.parametrize("skip", [0, 1, 2])
@pytest.mark.parametrize("normalized", [True, False])
def test_every_layer_of_the_encoder(skip: int, normalized: bool, papercut: Any) -> None:
    """Clip skip, as diffusers and the webui read it."""

    def encode(encoder: Any, ids: list[int], mask: Any = None) -> Tensor:
        state = encoder(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1 - skip]
        found: Tensor = (encoder.final_layer_norm(state) if normalized else state)[0]
        return found

    fragments = [("a ", 1.0), ("red", 1.2), (" hat", 1.0)]
    given = scaled(papercut.tokenizer, papercut.text_encoder, fragments, encode=encode)
    assert places(read(papercut, "a red hat", given), "hat") == [(3,)]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_embeddings_in_half_precision(dtype: torch.dtype, papercut: Any) -> None:
    given = scaled(papercut.tokenizer, papercut.text_encoder, PLAIN).to(dtype)
    assert places(read(papercut, LONG, given), "cat") == own_places(papercut, LONG, "cat", [75])
    with pytest.raises(PromptError):
        read(papercut, LONG.replace("white", "red"), given)


OTHERS = {
    "another word": LONG.replace("blue", "red"),
    "a word more": LONG + " hat",
    "a word less": LONG.removesuffix(" cat"),
    "another order": LONG.replace("his white", "white his"),
    "one of the first words": LONG.replace("a red", "a white", 1),
    "another prompt": "a cat",
    "nothing": "",
}


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("weight", [1.0, 1.3])
def test_a_text_that_is_not_theirs_is_refused(text: str, weight: float, pipeline: Any) -> None:
    given = scaled(pipeline.tokenizer, pipeline.text_encoder, [(LONG, weight)])
    with pytest.raises(PromptError, match=r"does not fit its embeddings of .* one Token for each position"):
        read(pipeline, text, given)


def test_a_part_of_the_text_is_refused_unless_the_rest_had_no_room(papercut: Any) -> None:
    parts = papercut.tokenizer, papercut.text_encoder
    given = scaled(*parts, [("a red hat", 1.0)])
    with pytest.raises(PromptError):
        read(papercut, "a red hat and a cat", given)
    cut = scaled(*parts, PLAIN)[:77]
    assert len(words(read(papercut, LONG, cut).tokens)) < len(LONG.split())


def test_a_mixture_and_noise_are_refused(papercut: Any) -> None:
    parts = papercut.tokenizer, papercut.text_encoder
    hat, cat = (scaled(*parts, [(text, 1.0)]) for text in ("a red hat", "a red cat"))
    for given in ((hat + cat) / 2, torch.randn(77, 128, generator=torch.Generator().manual_seed(0))):
        with pytest.raises(PromptError):
            read(papercut, "a red hat", given)
    with pytest.raises(PromptError, match="position 77 on"):
        read(papercut, "a red hat", torch.cat([hat, torch.ones(4, 128)]))
    with pytest.raises(PromptError, match="have 64 channels, and the pipeline's text encoders give 128"):
        read(papercut, "a red hat", hat[:, :64])
    for given in (torch.zeros_like(hat), hat.roll(1, 1)):
        with pytest.raises(PromptError, match="do not begin as the pipeline's text encoder begins any"):
            read(papercut, "a red hat", given)


def test_both_encoders_of_sdxl(sdxl_pipeline: Any) -> None:
    """The second tokenizer pads with another id; some programs pad with the end of text."""
    pipeline = sdxl_pipeline

    def both(first: str, second: str, pad: int | None = None) -> Tensor:
        own = pipeline.tokenizer_2.pad_token_id if pad is None else pad
        return torch.cat([
            scaled(pipeline.tokenizer, pipeline.text_encoder, [(first, 1.2)], encode=layer_before),
            scaled(pipeline.tokenizer_2, pipeline.text_encoder_2, [(second, 1.2)], pad=own,
                   encode=layer_before),
        ], 1)  # fmt: skip

    text = "hat " * 80 + "neck"
    for pad in (None, pipeline.tokenizer_2.eos_token_id):
        found = read(pipeline, text, both(text, text, pad), penultimate=True)
        assert found.is_shared
        assert places(found, "neck") == [(77 + 6,)]
    assert not read(pipeline, text, both(text, "red " * 80 + "neck"), penultimate=True).is_shared
    with pytest.raises(PromptError):
        read(pipeline, "red " * 80 + "neck", both(text, text), penultimate=True)


def test_padding_before_the_end(sdxl_pipeline: Any) -> None:
    """As long-prompt pipelines pad, and compel's copies of the first end, in the second encoder."""
    pipeline = sdxl_pipeline
    first = [scaled(pipeline.tokenizer, pipeline.text_encoder, [(text, 1.0)], encode=layer_before)
             for text in ("red hat", "neck")]  # fmt: skip
    tokenizer, encoder = pipeline.tokenizer_2, pipeline.text_encoder_2
    begin, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    red, hat, neck = ids_of(tokenizer, [("red hat neck", 1.0)])[0]
    with torch.no_grad():
        late = layer_before(encoder, [begin, red, hat, *[pad] * 73, end])
        copied = layer_before(encoder, [begin, red, hat, end, *[pad] * 73])
        second = layer_before(encoder, [begin, neck, end, *[pad] * 74])
    assert read(pipeline, "red hat", torch.cat([first[0], late], 1), penultimate=True).is_shared
    second[2], first[1][2] = copied[3], first[0][3]
    joined = torch.cat([torch.cat(first), torch.cat([copied, second])], 1)
    assert read(pipeline, "red hat neck", joined, penultimate=True).is_shared
    joined[79, 16:] = copied[4]
    assert not read(pipeline, "red hat neck", joined, penultimate=True).is_shared


def test_a_concept_of_several_vectors(sd_pipeline: Any) -> None:
    sd_pipeline.load_textual_inversion({"<toy>": torch.randn(3, 16)}, token="<toy>")
    expanded = "hat " * 73 + "<toy> <toy>_1 <toy>_2 neck"
    given = scaled(sd_pipeline.tokenizer, sd_pipeline.text_encoder, [(expanded, 1.0)])
    found = read(sd_pipeline, "hat " * 73 + "(<toy>:1.1) neck", given)
    assert places(found, "<toy>") == [(74, 75, 78)]
    assert places(found, "neck") == [(79,)]


def test_it_draws_no_random_numbers_and_keeps_no_gradient(papercut: Any) -> None:
    given = scaled(papercut.tokenizer, papercut.text_encoder, PLAIN)
    before = torch.get_rng_state()
    with torch.enable_grad():
        read(papercut, LONG, given)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in papercut.text_encoder.parameters())
