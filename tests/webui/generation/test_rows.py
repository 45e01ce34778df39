"""The text of each row of a forward, against rows laid out by hand."""

from __future__ import annotations

import pytest
import torch

from vxa.errors import RecordingError
from vxa.models.session import Row
from vxa.webui.generation.rows import Prompts, Rows

SIZE = (3, 5)
CONDITIONAL = [Row(0, "hat"), Row(0, "neck"), Row(1, "hat"), Row(1, "neck")]
UNCONDITIONAL = [Row(0, "", negative=True), Row(1, "", negative=True)]


def contexts(tokens: int = 77, others: int = 77) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(4, tokens, 2, generator=generator), torch.randn(2, others, 2, generator=generator)


def rows(tokens: int = 77, others: int = 77) -> Rows:
    return Rows(CONDITIONAL, UNCONDITIONAL, contexts(tokens, others), SIZE)


def test_whole_and_in_slices_and_without_the_unconditional_rows() -> None:
    whole = torch.cat(contexts())
    one = rows()
    assert one.take(whole, SIZE) == CONDITIONAL + UNCONDITIONAL
    one.check()
    sliced = rows()
    taken = [sliced.take(whole[start : start + 2], SIZE) for start in (0, 2, 4)]
    assert taken == [CONDITIONAL[:2], CONDITIONAL[2:], UNCONDITIONAL]
    sliced.check()
    skipped = rows()
    assert skipped.take(whole[:4], SIZE) == CONDITIONAL
    skipped.check()


def test_what_was_padded_or_cut_to_one_length_is_the_same() -> None:
    short, long = contexts(77, 154)
    padded = torch.cat([short, torch.zeros(4, 77, 2)], 1)
    assert rows(77, 154).take(torch.cat([padded, long]), SIZE) == CONDITIONAL + UNCONDITIONAL
    assert rows(77, 154).take(torch.cat([short, long[:, :77]]), SIZE) == CONDITIONAL + UNCONDITIONAL
    half = torch.cat(contexts()).half()
    assert rows().take(half, SIZE) == CONDITIONAL + UNCONDITIONAL


def test_what_was_not_announced_is_named() -> None:
    whole = torch.cat(contexts())
    with pytest.raises(RecordingError, match=r"\(2, 5\) of an image of \(3, 5\): it is run on tiles"):
        rows().take(whole, (2, 5))
    twice = rows()
    twice.take(whole, SIZE)
    with pytest.raises(RecordingError, match="ran on 12 rows or more at a step, and 6 were announced"):
        twice.take(whole, SIZE)
    with pytest.raises(RecordingError, match="read other embeddings than those of the prompts"):
        rows().take(whole.flip(0), SIZE)
    part = rows()
    part.take(whole[:2], SIZE)
    with pytest.raises(RecordingError, match="ran on 2 of 6 rows"):
        part.check()
    with pytest.raises(
        RecordingError, match="4 conditional rows and 2 others where its prompts make 3 and 2"
    ):
        Rows(CONDITIONAL[:3], UNCONDITIONAL, contexts(), SIZE)


def test_an_edited_prompt_is_the_text_that_ends_at_the_step_or_later() -> None:
    texts = [(3, "red hat"), (8, "blue hat")]
    prompts = Prompts([[texts, [(8, "neck")]]], [[(8, "")]])
    assert prompts.at(3)[0] == [Row(0, "red hat"), Row(0, "neck")]
    assert prompts.at(4)[0] == [Row(0, "blue hat"), Row(0, "neck")]
    # The webui does so after the last step too: a sampler may make more steps than announced.
    assert prompts.at(9)[0] == [Row(0, "red hat"), Row(0, "neck")]
    assert prompts.at(9)[1] == [Row(0, "", negative=True)]
