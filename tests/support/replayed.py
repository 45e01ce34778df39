"""Backend that replays maps of random queries and keys, without a model or its libraries."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from PIL import Image

from vxa import AttentionMaps, Provenance, Site, Token
from vxa.attention.records import PassRecord
from vxa.tracing.settings import PassSettings
from vxa.ui.backend import Backend, Example, site_labels

PROMPT = "a red hat, neckerchief"
SIZE = (96, 64)
PASS = (PassSettings.timestep, PassSettings.noise)
"""Timestep and noise of the pass that a page asks for first."""
LATENT = (12, 8)
SITES = (
    Site("down.0.attn2", "cross", "down", 0, 2, 1, "IN01"),
    Site("mid.attn2", "cross", "mid", 1, 2, 2, "M00"),
)
OWN = Site("mid.attn1", "self", "mid", 0, 2, 2, "M00")


def tokenize(prompt: str) -> tuple[Token, ...]:
    """Split the prompt into words and punctuation marks; a word of more than eight letters has two pieces."""
    tokens = [Token(0, 1, "<start>", None, "bos")]
    for number, word in enumerate(re.findall(r"\w+|[^\w\s]", prompt)):
        for piece in filter(None, (word[:8], word[8:])):
            tokens.append(Token(len(tokens), 5, piece, number, None))
    tokens.append(Token(len(tokens), 2, "<end>", None, "eos"))
    tokens += [Token(index, 0, "", None, "pad") for index in range(len(tokens), 77)]
    return tuple(tokens)


def record(site: Site, seed: int) -> PassRecord:
    generator = torch.Generator().manual_seed(seed)
    height, width = site.grid(LATENT)
    query = torch.randn(height * width, 6, generator=generator)
    keys = 77 if site.kind == "cross" else height * width
    return PassRecord(query, torch.randn(keys, 6, generator=generator), 2, 1.0, (height, width))


def saved_maps(
    prompt: str,
    timestep: int = PassSettings.timestep,
    noise: str = PassSettings.noise,
    seed: int = 0,
    refine: bool = False,
) -> AttentionMaps:
    own = (OWN,) if refine else ()
    return AttentionMaps(
        sites=SITES,
        tokens=tokenize(prompt),
        image_size=SIZE,
        extent=(1.0, 1.0),
        latent_size=LATENT,
        provenance=Provenance("replayed", prompt, timestep, noise, seed),
        records={site.name: record(site, number) for number, site in enumerate((*SITES, *own))},
        default_sites="f2",
        self_sites=own,
    )


def make_backend(image_file: Path) -> Backend:
    def run(image, prompt, timestep, noise, seed, progress, refine=False):  # type: ignore[no-untyped-def]
        progress(0.5, "replaying")
        return saved_maps(prompt, timestep, noise, seed, refine)

    return Backend(
        model="replayed",
        source=lambda name: name,
        tokenize=tokenize,
        run=run,
        sites=site_labels(SITES, "f2", LATENT),
        examples=(Example(image_file, PROMPT),),
    )


def same_pixels(first: Image.Image, second: Image.Image) -> bool:
    return first.size == second.size and first.tobytes() == second.tobytes()
