"""`vxa tokens`, `sites` and `export-webui`, and the model that every command loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from vxa.cli import options
from vxa.cli.console import columns, note, quiet, status
from vxa.errors import PromptError
from vxa.models.settings import LoadSettings
from vxa.tokens import shorten

if TYPE_CHECKING:
    from vxa.models.protocol import Model

__all__ = [
    "check_prompt",
    "export_webui",
    "load_quietly",
    "sites",
    "tell_unknown_words",
    "tokens",
]

_TO_READ = LoadSettings(device="cpu", dtype="bf16")
"""Of a model that is loaded for its tokenizer and layers alone: half the memory, for no pass is made."""


def load_quietly(name: str, settings: LoadSettings) -> Model:
    """Load the named model."""
    from vxa.models import load

    with status(f"loading {name}"), quiet():
        return load(name, **vars(settings))


def check_prompt(prompt: str) -> None:
    """Raise PromptError for a prompt of no words, or of what is no text, before the model is loaded."""
    if not prompt.strip():
        raise PromptError(
            f'the prompt {shorten(prompt)!r} has no words; describe the image, as in "hat, neck"'
        )
    try:
        prompt.encode()
    except UnicodeEncodeError:
        raise PromptError(f"the prompt {shorten(prompt)!r} is not UTF-8 text; type it again") from None


def tell_unknown_words(model: str, prompt: str) -> None:
    """Say on stderr, in one line, which words of the prompt papercut does not know, where it is the model."""
    if model == "papercut":
        from vxa.papercut.vocabulary import unknown_words, unknown_words_note

        if unknown := unknown_words(prompt):
            note(unknown_words_note(unknown))


def tokens(prompt: options.Prompt, model: options.ModelName = "papercut") -> None:
    """List the tokens of PROMPT: their indices, pieces and words."""
    from vxa.models.tokenizer import tokenizer_folder, tokens_of_folder
    from vxa.tokens import words as words_of

    check_prompt(prompt)
    folder = tokenizer_folder(model)
    with quiet():
        listed = (
            tokens_of_folder(folder, prompt) if folder else load_quietly(model, _TO_READ).tokenize(prompt)
        )
    tell_unknown_words(model, prompt)
    texts = {word.tokens[0]: word.text for word in words_of(listed)}
    rows: list[tuple[object, ...]] = []
    for token in listed:
        if token.special == "pad" and rows[-1][3] == "pad":
            rows[-1] = (f"{str(rows[-1][0]).partition('-')[0]}-{token.index}", *rows[-1][1:])
            continue
        rows.append((token.index, token.text, texts.get(token.index, ""), token.special or ""))
    typer.echo(columns(("index", "piece", "word", "special"), *rows))


def sites(model: options.ModelName = "papercut") -> None:
    """List the attention layers (sites) of the model; * marks those that are read by default."""
    from vxa.attention.sites import select_sites
    from vxa.models.unet import native_latent

    loaded = load_quietly(model, _TO_READ)
    size = native_latent(loaded.network)
    cross = [site for site in loaded.sites if site.kind == "cross"]
    default = set(select_sites(cross, loaded.default_sites, size))
    rows = [
        (
            site.label + ("*" if site in default else ""),
            site.kind,
            site.part,
            site.heads,
            f"f{site.factor}",
            "{}x{}".format(*site.grid(size)) if size else "",
            site.name,
        )
        for site in loaded.sites
    ]
    typer.echo(columns(("label", "kind", "part", "heads", "factor", "grid", "name"), *rows))


def export_webui(folder: options.WebuiFolder) -> None:
    """Write papercut as a checkpoint, with its YAML and CLIP folder, for a webui that has VXA in it."""
    with status("writing papercut"), quiet():
        from vxa.models.ldm.checkpoint import write_checkpoint

        checkpoint = write_checkpoint(folder)
    typer.echo(columns(("checkpoint", checkpoint), ("beside it", "papercut.yaml, papercut-clip")))
