"""The tokenizer: a word or comma of a caption is one token, other words are several pieces."""

import pytest
from support.scenes import first_scenes, label

pytest.importorskip("transformers")
pytest.importorskip("tqdm")
from vxa.training.tokenizer import learn_merges, vocabulary, write_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    from transformers import CLIPTokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    return CLIPTokenizer.from_pretrained(folder)


def test_merges_make_each_word_one_piece():
    assert learn_merges(("ab", "xb")) == [("a", "b</w>"), ("x", "b</w>")]
    assert learn_merges(("abab",)) == [("a", "b"), ("a", "b</w>"), ("ab", "ab</w>")]


def test_every_word_of_the_world_is_one_token(tokenizer):
    words = vocabulary()
    assert len(words) > 100
    assert [word for word in words if len(tokenizer(word).input_ids) != 3] == []


def test_a_caption_has_a_token_for_each_row_of_its_parse(tokenizer):
    for sample in first_scenes("train"):
        tokens = len(tokenizer(sample.caption).input_ids) - 2
        assert tokens == len(sample.parse.rows) <= 75, label(sample)


def test_unknown_words_are_several_pieces_and_decode_to_themselves(tokenizer):
    ids = tokenizer("hat, zebra 猫").input_ids
    assert tokenizer.convert_ids_to_tokens(ids[1:3]) == ["hat</w>", ",</w>"]
    assert len(ids) > 6
    assert tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "") == "hat,zebra猫"


def test_special_tokens_are_at_clips_positions(tokenizer):
    ids = tokenizer("hat", padding="max_length").input_ids
    assert len(ids) == 77
    assert ids[0] == tokenizer.bos_token_id
    assert set(ids[2:]) == {tokenizer.eos_token_id}
    assert tokenizer.eos_token_id == len(tokenizer) - 1, "CLIP pools at the highest id"
