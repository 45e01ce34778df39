"""Prompts as a CLIP tokenizer reads them, chunk by chunk. Nothing here loads torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise, takewhile
from pathlib import Path
from typing import Any

from vxa.errors import ModelError
from vxa.models.chunks import ROOM, name_tokens, split_chunks
from vxa.papercut.shipped import weights_folder
from vxa.tokens import Token, shorten

__all__ = ["PromptTokens", "tokenizer_folder", "tokens_of_folder"]


class PromptTokens:
    """Prompts read by a tokenizer.

    Attributes:
        tokenizer: a CLIPTokenizer of transformers.
        expand: the pipeline's rewriting of a prompt before tokenizing.
    """

    tokenizer: Any
    expand: Callable[[str, Any], str]

    def chunks(self, prompt: str) -> list[list[int]]:
        """Return the prompt's own token ids in chunks of at most 75."""
        return self.split(self.ids(prompt))

    def split(self, ids: Sequence[int]) -> list[list[int]]:
        """Return token ids in chunks of at most 75."""
        return split_chunks(ids, self.tokenizer.get_vocab().get(",</w>"), self._follows())

    def tokens(self, prompt: str, at_least: int = 1) -> tuple[Token, ...]:
        """Return one Token for each position of the prompt's context, padded to `at_least` chunks."""
        chunks = self.chunks(prompt)
        return self.name(chunks + [[]] * (at_least - len(chunks)))

    def first_tokens(self, prompt: str) -> tuple[Token, ...]:
        """Return one Token for each of 77 positions, the prompt cut off after 75 tokens, as pipelines do."""
        return self.name([self.ids(prompt)[:ROOM]])

    def ids(self, prompt: str) -> list[int]:
        """Return the prompt's own token ids, each concept's vectors included."""
        text = self.expand(prompt, self.tokenizer)
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)[
            "input_ids"
        ]
        return ids

    def name(self, chunks: Sequence[Sequence[int]]) -> tuple[Token, ...]:
        """Return one Token for each position of the chunks."""
        whole = {*self.tokenizer.get_added_vocab().values(), *self.tokenizer.all_special_ids}
        pieces = self.tokenizer.convert_ids_to_tokens
        return name_tokens(chunks, self.specials(), pieces, whole, self._follows())

    def _follows(self) -> dict[int, int]:
        """Return, for each further vector of a textual inversion, the id of the vector before it."""
        added = self.tokenizer.get_added_vocab()
        names = {name: list(_vectors(name, added)) for name in added}
        return {
            added[after]: added[before] for name in names for before, after in pairwise([name, *names[name]])
        }

    def specials(self) -> tuple[int, int, int]:
        """Return the ids of begin, end and padding."""
        begin, end, pad = (getattr(self.tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad"))
        return begin, end, end if pad is None else pad


@dataclass(frozen=True)
class _FolderTokens(PromptTokens):
    """Prompts read by a tokenizer alone, without its pipeline."""

    tokenizer: Any
    expand: Callable[[str, Any], str] = field(default_factory=lambda: _with_vectors)


def _vectors(name: str, added: Mapping[str, int]) -> Iterator[str]:
    """Yield the names of a concept's further vectors, as diffusers gives them: "<toy>_1", "<toy>_2"."""
    numbered = (f"{name}_{number}" for number in count(1))
    return takewhile(added.__contains__, numbered)


def _with_vectors(prompt: str, tokenizer: Any) -> str:
    """Return the prompt with each concept's further vectors after it, as a diffusers pipeline writes it."""
    added = tokenizer.get_added_vocab()
    for name in sorted({*tokenizer.tokenize(prompt)} & {*added}):
        prompt = prompt.replace(name, " ".join([name, *_vectors(name, added)]))
    return prompt


def tokenizer_folder(source: str) -> Path | None:
    """Return the tokenizer's folder of papercut or of a diffusers folder; None for a source without one."""
    model = weights_folder() if source == "papercut" else Path(os.path.expanduser(source))
    needed = [
        model / "model_index.json",
        *(model / "tokenizer" / name for name in ("vocab.json", "merges.txt")),
    ]
    try:
        return model / "tokenizer" if all(path.is_file() for path in needed) else None
    except (OSError, ValueError):  # a name too long, or with a NUL
        return None


def tokens_of_folder(folder: Path, prompt: str) -> tuple[Token, ...]:
    """Return one Token for each position of the prompt's context, by the tokenizer's files alone.

    Raises:
        ModelError: the files are broken.
    """
    from transformers import CLIPTokenizer

    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder)
    except Exception as error:  # the tokenizers library raises bare Exceptions
        reason = shorten(" ".join(str(error).split()), 200)
        raise ModelError(
            f"cannot read the tokenizer in {folder}: {reason}; download the model again"
        ) from error
    return _FolderTokens(tokenizer).tokens(prompt)
