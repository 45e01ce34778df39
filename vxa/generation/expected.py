"""Stand-in maps of a generation that has not run, to refuse in advance what its maps could not answer.

    expected = expected_maps(model, "a red hat", GenerationSettings(steps=20), bins=5)
    expected.heat_map("hta")              # raises the WordError that the finished maps would raise

Prompt, sites, grids, heads, steps and sizes are those of the maps to come; each query attends evenly to every
token. So one question has one answer before and after, and no check is written twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from vxa.attention.sites import SelfAttentionSpec, Site, SiteSpec, watched_sites
from vxa.attention.sums import SumRecord
from vxa.errors import ModelError, WordError
from vxa.generation.settings import GenerationSettings
from vxa.maps.attention_maps import AttentionMaps, Provenance
from vxa.maps.selection import TokenSpec, WordSpec, token_groups, union
from vxa.maps.steps import Bins, CountedSteps
from vxa.tokens import Token, join_tokens, split_phrases

__all__ = ["expected_image", "expected_maps"]


def expected_maps(
    model: Any,
    prompt: str,
    settings: GenerationSettings = GenerationSettings(),
    *,
    words: WordSpec = None,
    tokens: TokenSpec = None,
    sites: SiteSpec = None,
    bins: Bins = 1,
    heads: bool = False,
    negative: bool = False,
    self_attention: SelfAttentionSpec = False,
) -> AttentionMaps:
    """Return maps like those that `vxa.trace` with these options will have of this generation, but even.

    Raises:
        ModelError: the model has no pipeline to generate with.
        WordError, TokenIndexError: a word or token to keep is neither in the prompt nor in a negative prompt
            that is traced.
        SiteError: the model has no such site at this size.
    """
    if getattr(model, "pipeline", None) is None:
        raise ModelError(f"the model {model.name} has no pipeline to generate with; load one with vxa.load")
    own, other = _tokens_read(model, prompt, settings)
    kept = _kept(own, other if negative and settings.guidance > 1 else None, words, tokens)
    latent_size, pixels = _sizes(model, settings)
    watched = watched_sites(model.sites, sites, latent_size, self_attention)
    steps = CountedSteps(settings.steps).bins(bins)
    return AttentionMaps(
        sites=tuple(site for site in watched if site.kind == "cross"),
        tokens=own,
        image_size=(latent_size[0] * pixels, latent_size[1] * pixels),
        extent=(1.0, 1.0),
        latent_size=latent_size,
        provenance=Provenance(model.name, prompt, 0, "generated", settings.seed),
        records={site.name: _even(site, latent_size, len(own), len(steps), heads, kept) for site in watched},
        default_sites=model.default_sites if sites is None else "all",
        self_sites=tuple(site for site in watched if site.kind == "self"),
        steps=steps,
    )


def expected_image(maps: AttentionMaps) -> Image.Image:
    """Return a grey image of the maps' size."""
    return Image.new("RGB", maps.image_size[::-1], "grey")


def _tokens_read(
    model: Any, prompt: str, settings: GenerationSettings
) -> tuple[tuple[Token, ...], tuple[Token, ...]]:
    """Return the tokens of the prompt and of the negative prompt, both as long as the longer one."""
    texts = (prompt, settings.negative)
    empty, read = model.tokenize(""), [model.tokenize(text) for text in texts]
    positions = max(map(len, read))
    first, second = (join_tokens(own, *[empty] * ((positions - len(own)) // len(empty))) for own in read)
    return first, second


def _kept(
    own: Sequence[Token], other: Sequence[Token] | None, words: WordSpec, tokens: TokenSpec
) -> tuple[int, ...] | None:
    """Return the tokens of the prompt that the trace keeps; None is all of them."""
    if words is None:
        return None if tokens is None else union(token_groups(own, None, tokens)[1])
    kept: tuple[int, ...] = ()
    for phrase in split_phrases(words):
        try:
            kept += union(token_groups(own, [phrase], tokens)[1])
        except WordError:
            if other is None:
                raise
            token_groups(other, [phrase])
    return tuple(sorted(set(kept)))


def _sizes(model: Any, settings: GenerationSettings) -> tuple[tuple[int, int], int]:
    """Return the (height, width) of the latent, and the pixels on a side of one of its positions."""
    pixels: int = model.pixels_per_latent
    if size := settings.pixels():
        return (size[0] // pixels, size[1] // pixels), pixels
    pipeline = model.pipeline
    native = pipeline.unet.config.sample_size or getattr(pipeline, "default_sample_size", None)
    if native is None:
        raise ModelError("this model does not say what size it was made for; give a size such as 512x512")
    return (native, native) if isinstance(native, int) else (native[0], native[1]), pixels


def _even(
    site: Site, latent_size: tuple[int, int], token_count: int, bins: int, heads: bool,
    kept: tuple[int, ...] | None,
) -> SumRecord:  # fmt: skip
    """Return a record in which every probability is one over the number of keys; it takes no memory."""
    height, width = grid = site.grid(latent_size)
    cross = site.kind == "cross"
    keys = token_count if cross else height * width
    columns = keys if kept is None or not cross else len(kept)
    shape = (bins, site.heads if heads and cross else 1, height * width, columns)
    sums = torch.full((1, 1, 1, 1), 1 / keys).expand(shape)
    return SumRecord(sums, (1,) * bins, grid, keys, kept if cross else None)
