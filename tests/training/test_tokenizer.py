"""The tokenizer: every caption word is one token, a comma is one, other words fall to pieces."""

import pytest

from vxa.papercut import scene

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


@pytest.mark.parametrize("word", vocabulary())
def test_every_word_of_the_world_is_one_token(tokenizer, word):
    assert len(tokenizer(word).input_ids) == 3


@pytest.mark.parametrize("seed", range(30))
def test_a_caption_has_a_token_for_each_row_of_its_parse(tokenizer, seed):
    shown = scene(seed, "train")
    assert len(tokenizer(shown.caption).input_ids) - 2 == len(shown.parse.rows) <= 75


def test_unknown_words_fall_to_pieces_and_come_back(tokenizer):
    ids = tokenizer("hat, zebra 猫").input_ids
    assert tokenizer.convert_ids_to_tokens(ids[1:3]) == ["hat</w>", ",</w>"]
    assert len(ids) > 6
    assert tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "") == "hat,zebra猫"


def test_special_tokens_stand_where_clip_has_them(tokenizer):
    ids = tokenizer("hat", padding="max_length").input_ids
    assert len(ids) == 77
    assert ids[0] == tokenizer.bos_token_id
    assert set(ids[2:]) == {tokenizer.eos_token_id}
    assert tokenizer.eos_token_id == len(tokenizer) - 1, "CLIP's pooling looks for the highest id"
