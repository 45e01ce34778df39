"""Small maps of known values: of one pass, of a trace, and of attention by construction."""

from __future__ import annotations

import numpy as np
import torch

from vxa.attention.records import PassRecord
from vxa.attention.sites import Site
from vxa.attention.sums import SumRecord
from vxa.maps.attention_maps import AttentionMaps, Provenance
from vxa.maps.steps import Schedule
from vxa.tokens import Token

__all__ = ["HEIGHT", "SITE", "WIDTH", "WORDS", "made_maps", "one_token_maps", "traced_maps"]

SITE = Site("a.attn2", "cross", "down", 0, 2, 2, "IN01")
HEIGHT, WIDTH = 12, 18
WORDS = ("hat", ",", "neck", "and", "hat")


def made_maps(dtype: torch.dtype = torch.float32, prompt: str = "hat, neck") -> AttentionMaps:
    """Make maps of one pass: two sites of a 4 × 6 latent, three tokens, two heads of two channels."""
    noise = torch.Generator().manual_seed(0)
    sites = (
        Site("a.attn2", "cross", "down", 0, 2, 1, "IN01"),
        Site("b.attn2", "cross", "mid", 1, 2, 2, "M00"),
    )
    tokens = (
        Token(0, 9, "<bos>", None, "bos"),
        Token(1, 3, prompt, 0, None, weight=1.1),
        Token(2, 8, "<eos>", None, "eos"),
    )
    records = {
        site.name: PassRecord(
            torch.randn(24 // site.factor**2, 4, generator=noise).to(dtype),
            torch.randn(3, 4, generator=noise).to(dtype),
            2,
            2**-0.5,
            site.grid((4, 6)),
        )
        for site in sites
    }
    provenance = Provenance("made", prompt, 1, "matched", 7, {"vxa": "0.1.0"}, ("LoRA active: x",))
    return AttentionMaps(sites, tokens, (31, 47), (31 / 32, 47 / 48), (4, 6), provenance, records, "IN01")


def traced_maps(kept: tuple[int, ...] | None = None) -> AttentionMaps:
    """Make maps of a trace: one site of a 4 × 6 latent, three tokens, two heads, two bins of five steps."""
    columns = 3 if kept is None else len(kept)
    sums = torch.rand(2, 2, 6, columns, generator=torch.Generator().manual_seed(0))
    tokens = (
        Token(0, 9, "<bos>", None, "bos"),
        Token(1, 3, "hat", 0, None),
        Token(2, 8, "<eos>", None, "eos"),
    )
    return AttentionMaps(
        (SITE,), tokens, (32, 48), (1.0, 1.0), (4, 6),
        Provenance("made", "hat", 900, "generated", None, {}, (), 100),
        {SITE.name: SumRecord(sums, (3, 2), (2, 3), 3, kept)},
        steps=Schedule.of([900, 700, 500, 300, 100]).bins(2),
    )  # fmt: skip


def one_token_maps(texts: tuple[str, ...] = WORDS, size: tuple[int, int] = (HEIGHT, WIDTH)) -> AttentionMaps:
    """Make maps of one head in which token 1 has probability 1/2 on the left half of a 4 × 6 grid.

    The logit is the query's single channel times the key's: log n on the left for token 1, else 0, where n is
    the number of other tokens. So the softmax of token 1 is 1/2 on the left, and 1 / (n + 1) on the right.
    """
    count = len(texts) + 2
    tokens = [Token(0, 0, "<bos>", None, "bos")]
    tokens += [Token(i + 1, i + 1, word, i, None) for i, word in enumerate(texts)]
    tokens += [Token(count - 1, 0, "<eos>", None, "eos")]
    sites, records = [], {}
    for index, (label, part) in enumerate([("IN01", "down"), ("M00", "mid")]):
        sites.append(Site(f"{part}.attn2", "cross", part, index, 1, 1, label))
        query = torch.zeros(4, 6)
        query[:, :3] = float(np.log(count - 1)) if index == 0 else 0.0
        key = torch.zeros(count, 1)
        key[1] = 1.0
        records[f"{part}.attn2"] = PassRecord(query.reshape(-1, 1), key, 1, 1.0, (4, 6))
    provenance = Provenance("made", " ".join(texts), 1, "none", 0)
    return AttentionMaps(
        tuple(sites), tuple(tokens), size, (1.0, 1.0), (4, 6), provenance, records, default_sites="IN01"
    )
