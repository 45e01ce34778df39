"""Papercut's tokenizer: byte-level BPE in CLIP's file format; every word of a caption is one token."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

from torch import Tensor
from transformers import CLIPTokenizer

from vxa.papercut.vocabulary import vocabulary

BOS, EOS = "<|startoftext|>", "<|endoftext|>"


def byte_alphabet() -> list[str]:
    """Return the 256 printable characters for bytes in byte-level BPE, in the order of CLIP's vocabulary.

    Printable Latin-1 bytes are written as themselves, the others as the characters from U+0100 on."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(256 - len(plain))]


def learn_merges(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return merges that make each word one piece: most frequent pair first, ties in alphabetical order."""
    spellings = [[*word[:-1], word[-1] + "</w>"] for word in words]
    merges: list[tuple[str, str]] = []
    while any(len(pieces) > 1 for pieces in spellings):
        pairs = Counter(pair for pieces in spellings for pair in itertools.pairwise(pieces))
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        spellings = [_merge(pieces, best) for pieces in spellings]
    return merges


def _merge(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    for piece in pieces:
        if out and (out[-1], piece) == pair:
            out[-1] += piece
        else:
            out.append(piece)
    return out


def write_tokenizer(folder: Path) -> None:
    """Write vocab.json, merges.txt and their configuration, as CLIP's tokenizer reads them."""
    merges = learn_merges(vocabulary())
    alphabet = byte_alphabet()
    pieces = [*alphabet, *(c + "</w>" for c in alphabet), *("".join(m) for m in merges), BOS, EOS]
    folder.mkdir(parents=True, exist_ok=True)
    ids = {piece: i for i, piece in enumerate(pieces)}
    if len(ids) != len(pieces):
        raise AssertionError("two merges make the same piece")
    listed = "".join(f"{a} {b}\n" for a, b in merges)
    (folder / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False), "utf-8", newline="\n")
    (folder / "merges.txt").write_text(f"#version: 0.2\n{listed}", "utf-8", newline="\n")
    special = {"bos_token": BOS, "eos_token": EOS, "unk_token": EOS, "pad_token": EOS}
    config = {
        **special,
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 77,
        "add_prefix_space": False,
    }
    for name, values in (("tokenizer_config", config), ("special_tokens_map", special)):
        (folder / f"{name}.json").write_text(json.dumps(values, indent=2), "utf-8", newline="\n")


def token_ids(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """Return the captions' token ids [n, 77], cut or padded to that length."""
    encoded = tokenizer(captions, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
    return encoded.input_ids
