"""Prompts as a CLIP tokenizer reads them, chunk by chunk. Nothing here loads torch."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
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
        return split_chunks(self._ids(prompt), self.tokenizer.get_vocab().get(",</w>"))

    def tokens(self, prompt: str, at_least: int = 1) -> tuple[Token, ...]:
        """Return one Token for each position of the prompt's context, padded to `at_least` chunks."""
        chunks = self.chunks(prompt)
        return self._tokens_of(chunks + [[]] * (at_least - len(chunks)))

    def first_tokens(self, prompt: str) -> tuple[Token, ...]:
        """Return one Token for each of 77 positions, the prompt cut off after 75 tokens, as pipelines do."""
        return self._tokens_of([self._ids(prompt)[:ROOM]])

    def _ids(self, prompt: str) -> list[int]:
        text = self.expand(prompt, self.tokenizer)
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)[
            "input_ids"
        ]
        return ids

    def _tokens_of(self, chunks: list[list[int]]) -> tuple[Token, ...]:
        whole = {*self.tokenizer.get_added_vocab().values(), *self.tokenizer.all_special_ids}
        return name_tokens(chunks, self.specials(), self.tokenizer.convert_ids_to_tokens, whole)

    def specials(self) -> tuple[int, int, int]:
        """Return the ids of begin, end and padding."""
        begin, end, pad = (getattr(self.tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad"))
        return begin, end, end if pad is None else pad


@dataclass(frozen=True)
class _FolderTokens(PromptTokens):
    """Prompts read by a tokenizer alone, without its pipeline."""

    tokenizer: Any
    expand: Callable[[str, Any], str] = lambda prompt, tokenizer: prompt


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
