"""Papercut's tokenizer as it lies on a disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from vxa.models.tokenizer import tokenizer_folder, tokens_of_folder

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


@pytest.mark.parametrize("source", [r"C:\models\sd15", "~no-such-user/model", "a\0b", "x" * 5000])
def test_a_path_without_a_tokenizer(source: str) -> None:
    assert tokenizer_folder(source) is None
