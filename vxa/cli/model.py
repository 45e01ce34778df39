"""`vxa tokens`, `sites` and `export-webui`, and the model that every command loads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from vxa.cli import options
from vxa.cli.console import columns, note, quiet, status
from vxa.errors import PromptError, SettingError
from vxa.tokens import shorten

if TYPE_CHECKING:
    from vxa.models.protocol import Model

__all__ = [
    "check_prompt",
    "export_webui",
    "load_quietly",
    "native_latent",
    "sites",
    "tell_unknown_words",
    "tokens",
]

_DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")


def load_quietly(name: str, device: str = "cpu") -> Model:
    """Load the named model on the device."""
    from vxa.models import load

    with status(f"loading {name}"), quiet():
        loaded = load(name)
        if device != "cpu":
            _place(loaded, device)
    return loaded


def _place(model: Any, device: str) -> None:
    import torch

    if device.partition(":")[0] not in _DEVICES:
        raise SettingError(f"there is no device {device!r}; choose one of {', '.join(_DEVICES)}")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model.pipeline.to(device)
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise SettingError(f"device {device!r} cannot be used ({reason}); choose cpu") from error


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


def native_latent(model: Any) -> tuple[int, int] | None:
    """Return the (height, width) of the latents that the network was made for, if it says so."""
    size = getattr(model.network.config, "sample_size", None)
    if size is None:
        return None
    return (size, size) if isinstance(size, int) else (size[0], size[1])


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
        listed = tokens_of_folder(folder, prompt) if folder else load_quietly(model).tokenize(prompt)
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

    loaded = load_quietly(model)
    size = native_latent(loaded)
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
