"""CLIP's tokenizer, from the vocabulary that an installed package ships, or from the hub's cache.

The vocabulary is that of Radford et al. 2021: 256 bytes, each also as a word's end, 48,894 merges of them,
and begin and end of text. Every Stable Diffusion model reads prompts by it.
"""

from __future__ import annotations

import gzip
import json
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vxa.errors import ModelError

__all__ = ["clip_tokenizer"]

_PACKAGES = ("open_clip", "clip")
_FILE = "bpe_simple_vocab_16e6.txt.gz"
_CACHED = (
    ("openai/clip-vit-large-patch14", ""),
    ("stable-diffusion-v1-5/stable-diffusion-v1-5", "tokenizer/"),
    ("stabilityai/stable-diffusion-xl-base-1.0", "tokenizer/"),
)
_MERGES = 49152 - 256 - 2  # the file lists more than the models use
_BEGIN, _END = "<|startoftext|>", "<|endoftext|>"


def clip_tokenizer(pad: str = _END) -> Any:
    """Return transformers' CLIPTokenizer of 77 positions, padded by the token `pad`.

    Raises:
        ModelError: no installed package has the vocabulary, nor has the hub's cache.
    """
    from transformers import CLIPTokenizer

    with TemporaryDirectory() as folder:
        for name, content in _vocabulary().items():
            Path(folder, name).write_text(content, "utf-8")
        return CLIPTokenizer.from_pretrained(
            folder, model_max_length=77, bos_token=_BEGIN, eos_token=_END, unk_token=_END, pad_token=pad
        )


def _vocabulary() -> dict[str, str]:
    """Return the contents of vocab.json and merges.txt."""
    packed = next(filter(None, map(_packed_file, _PACKAGES)), None)
    if packed is not None:
        return _unpack(gzip.decompress(packed.read_bytes()).decode("utf-8"))
    for repository, folder in _CACHED:
        found = {name: _cached_file(repository, folder + name) for name in ("vocab.json", "merges.txt")}
        if all(found.values()):
            return {name: path.read_text("utf-8") for name, path in found.items() if path is not None}
    raise ModelError(
        f"CLIP's vocabulary ({_FILE}) is missing, by which the model reads prompts and which its file "
        "does not contain; install a package that ships it: pip install --no-deps open-clip-torch"
    )


def _packed_file(package: str) -> Path | None:
    """Return the vocabulary's path in a package, which is not imported; None where it has none."""
    spec = find_spec(package)
    folders = spec.submodule_search_locations if spec is not None else None
    return next((path for folder in folders or () if (path := Path(folder, _FILE)).is_file()), None)


def _cached_file(repository: str, name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(repository, name)
    return Path(path) if isinstance(path, str) else None


def _unpack(text: str) -> dict[str, str]:
    """Return CLIP's files from a list of merges, whose first line is a comment."""
    merges = text.splitlines()[1 : _MERGES + 1]
    letters = _byte_letters()
    pieces = [*letters, *(letter + "</w>" for letter in letters), *("".join(each.split()) for each in merges)]
    vocabulary = {piece: number for number, piece in enumerate([*pieces, _BEGIN, _END])}
    return {
        "vocab.json": json.dumps(vocabulary, ensure_ascii=False),
        "merges.txt": "\n".join(["#version: 0.2", *merges, ""]),
    }


def _byte_letters() -> list[str]:
    """Return a printable letter for each byte: itself, or for the others those from U+0100 on (GPT-2)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(byte) for byte in plain] + [chr(256 + number) for number in range(256 - len(plain))]
