"""Values that a traced generation begins with: its options, its prompts, and what all its maps share."""

from __future__ import annotations

from dataclasses import dataclass

from vxa.attention.sites import SelfAttentionSpec
from vxa.maps.attention_maps import Provenance
from vxa.maps.region import Region
from vxa.maps.steps import Bins, check_bins
from vxa.tokens import Token

__all__ = ["GenerationInfo", "Settings", "TracedPrompt"]


@dataclass(frozen=True)
class Settings:
    """Options of a trace.

    Attributes:
        bins: the number of step bins, of equal length or lengths that differ by one; "each" keeps every step
            separately.
        heads: keep each head separately instead of their mean.
        negative: keep the attention to the negative prompt too.
        self_attention: keep it too, as the mean of its heads: True, or the self-attention sites.
        grad: keep the last pass alone, with its graph.

    Raises SettingError for bins that are neither a whole number from 1 nor "each".
    """

    bins: Bins = 1
    heads: bool = False
    negative: bool = False
    self_attention: SelfAttentionSpec = False
    grad: bool = False

    def __post_init__(self) -> None:
        check_bins(self.bins)


@dataclass(frozen=True, eq=False)
class TracedPrompt:
    """Prompt of one image, read by one row of each pass.

    Attributes:
        image: the image's index in its call.
        prompt: the text.
        tokens: one for each position of the context.
        negative: whether it is the negative prompt.
        kept: the indices of the tokens to keep; None is all.
        notes: facts about this prompt that a reader of its maps must know.
    """

    image: int
    prompt: str
    tokens: tuple[Token, ...]
    negative: bool = False
    kept: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class GenerationInfo:
    """Properties that all maps of a call share.

    Attributes:
        provenance: the model's; the call fills in the prompt and the timesteps.
        default_sites: the sites that `sites=None` reads.
        image_size: (height, width) of the image.
        extent: the fraction (of height, of width) of the padded image that is image.
        region: the part of the image that the passes work on; None is all of it.
    """

    provenance: Provenance
    default_sites: str
    image_size: tuple[int, int]
    extent: tuple[float, float] = (1.0, 1.0)
    region: Region | None = None
