"""Settings of a question to maps: which words, attention layers and heads, refined or not, and of masks."""

from __future__ import annotations

from dataclasses import dataclass

from vxa.settings import Settings, setting

__all__ = ["MaskSettings", "Selection"]


@dataclass(frozen=True)
class Selection(Settings):
    """Words or tokens, sites and heads of a map, as `AttentionMaps.heat_map` takes them, written as text."""

    words: str | None = setting(
        None, "Words", "Words or phrases: hat, red scarf, cat#2. Blank: all.", entry="VXA words"
    )
    tokens: str | None = setting(
        None, "Token indices", 'Token indices instead of words: "1, 3-5", or all.', entry="VXA tokens"
    )
    sites: str | None = setting(
        None,
        "Attention layer (site)",
        "Attention layers (sites) or groups: mid, OUT04, f4, all; see vxa sites.",
        flags=("--sites", "--layers"),
        entry="VXA sites",
    )
    heads: str = setting("mean", "Heads", "mean, or head numbers: 0, 3.", entry="VXA heads")
    refine: bool = setting(
        False,
        "Refine with self-attention",
        "Spread the map over what self-attention ties together: it fills the thing and follows its edges.",
        flags=("--refine",),
        entry="VXA refine",
    )


@dataclass(frozen=True)
class MaskSettings(Settings):
    """Settings of masks alone; neither a heat map nor a picture of one heeds them."""

    edges: bool = setting(
        False,
        "Masks follow the picture's edges",
        "Move a mask's border to the picture's edges (He et al. 2010): it is then not of attention alone.",
        flags=("--edges",),
    )
