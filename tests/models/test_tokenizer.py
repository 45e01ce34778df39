"""Papercut's tokenizer as it lies on a disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from vxa.models.tokenizer import tokenizer_folder, tokens_of_folder
from vxa.tokens import words

pytest.importorskip("transformers")

PROMPT = "a boy wearing a red hat and his white cat, wonderfully striped"


def test_a_copy_with_windows_line_ends_reads_the_same(tmp_path: Path) -> None:
    """Git for Windows and some unpackers end lines in CRLF."""
    shipped = tokenizer_folder("papercut")
    assert shipped is not None
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "model_index.json").write_text("{}")
    for path in shipped.iterdir():
        lines = path.read_bytes().replace(b"\r\n", b"\n")
        (tmp_path / "tokenizer" / path.name).write_bytes(lines.replace(b"\n", b"\r\n"))
    copied = tokenizer_folder(str(tmp_path))
    assert copied is not None
    assert tokens_of_folder(copied, PROMPT) == tokens_of_folder(shipped, PROMPT)


def test_a_saved_concept_of_several_vectors_is_one_word(tmp_path: Path) -> None:
    """As the command line lists it, from the tokenizer's files alone."""
    from transformers import CLIPTokenizer

    shipped = tokenizer_folder("papercut")
    tokenizer = CLIPTokenizer.from_pretrained(shipped)
    tokenizer.add_tokens(["<toy>", "<toy>_1", "<toy>_2", "<dot>"])
    tokenizer.save_pretrained(tmp_path)
    tokens = tokens_of_folder(tmp_path, "a <toy>, <dot> and <toy> cat")
    assert [(word.text, word.tokens) for word in words(tokens)] == [
        ("a", (1,)),
        ("<toy>", (2, 3, 4)),
        (",", (5,)),
        ("<dot>", (6,)),
        ("and", (7,)),
        ("<toy>", (8, 9, 10)),
        ("cat", (11,)),
    ]


@pytest.mark.parametrize("source", [r"C:\models\sd15", "~no-such-user/model", "a\0b", "x" * 5000])
def test_a_path_without_a_tokenizer(source: str) -> None:
    assert tokenizer_folder(source) is None
