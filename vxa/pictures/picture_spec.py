"""Specification of a picture: the tokens, sites and heads of some maps, the image and the view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from PIL import Image

from vxa.attention.sites import SiteSpec
from vxa.errors import ImageError, SettingError
from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.heat_map import HeatMap
from vxa.maps.selection import HeadSpec, TokenSpec, WordSpec
from vxa.pictures.shading import overlaid
from vxa.pictures.view import View
from vxa.tokens import Word

__all__ = ["PictureSpec", "number"]

_NAMED = 4  # most words, tokens or sites that a label lists by name


@dataclass(frozen=True, eq=False)
class PictureSpec:
    """Selection of tokens, sites and heads of some maps, with the image and the view.

    `against` and `against_tokens` are the words and tokens to compare with, in a difference. `passes` holds
    the maps of all passes if there are several, and `maps` is the first of them. `refine` refines each map by
    self-attention. `region` is the part of the image that the maps cover, (left, top, width, height) in its
    pixels; None is the whole image. Overlays show the image unchanged outside the region.

    Raises ImageError if the image, or its region, does not have the maps' image size.
    """

    maps: AttentionMaps
    image: Image.Image
    words: WordSpec = None
    tokens: TokenSpec = None
    sites: SiteSpec = None
    heads: HeadSpec = None
    view: View = field(default_factory=View)
    against: WordSpec = None
    against_tokens: TokenSpec = None
    passes: tuple[AttentionMaps, ...] = ()
    refine: bool = False
    region: tuple[int, int, int, int] | None = None
    _scaled: dict[tuple[int, int], Image.Image] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        size = self.image_size if self.region is None else self.region[:1:-1]
        if size != self.maps.image_size:
            raise ImageError(
                f"the image is {size[0]}×{size[1]} (height×width) and the maps are of one of "
                f"{self.maps.image_size[0]}×{self.maps.image_size[1]}; give the image they were made from"
            )

    @property
    def image_size(self) -> tuple[int, int]:
        """Size (height, width) of the whole image."""
        return self.image.height, self.image.width

    def heat(self, **overrides: Any) -> HeatMap:
        """Compute the heat map; a grid's cell overrides `tokens` (then without words) or `sites`."""
        selection: dict[str, Any] = {
            "words": self.words,
            "tokens": self.tokens,
            "sites": self.sites,
            "heads": self.heads,
            "refine": self.refine,
        }
        if "tokens" in overrides:
            selection["words"] = None
        return self.maps.heat_map(**{**selection, **overrides}, normalize=self._formula())

    def heats(self, words: Sequence[Word], sites: SiteSpec = None) -> list[HeatMap]:
        """Compute the heat map of each word, at `sites` or else at those of this specification."""
        at = sites or self.sites
        return self.maps.heat_maps(words, None, at, self.heads, self._formula(), self.refine)

    def _formula(self) -> Literal["original"] | None:
        return "original" if self.view.normalize == "original" else None

    def for_comparison(self) -> PictureSpec:
        """Return this specification with `against` and `against_tokens` as its words and tokens."""
        return replace(self, words=self.against, tokens=self.against_tokens)

    def for_pass(self, maps: AttentionMaps) -> PictureSpec:
        """Return this specification for another pass. Raises SettingError if its prompt differs."""
        prompts = [each.provenance.prompt for each in (self.maps, maps)]
        if prompts[0] != prompts[1]:
            raise SettingError(
                f"the passes are of {prompts[0][:80]!r} and of {prompts[1][:80]!r}; give those of one prompt"
            )
        return replace(self, maps=maps)

    def subject(self, heat: HeatMap) -> str:
        """Return a label of the selection: "hat, neck", or the tokens' texts with whole words joined."""
        if heat.words:
            return ", ".join(dict.fromkeys(heat.words))
        if self.tokens is None or self.tokens == "":
            return "every word"
        whole = {word.tokens: word.text for word in self.maps.words if set(word.tokens) <= set(heat.tokens)}
        names = {tokens[0]: name for tokens, name in whole.items()}
        in_words = {index for tokens in whole for index in tokens}
        loose = [self.maps.tokens[index] for index in heat.tokens if index not in in_words]
        names |= {token.index: token.text or str(token.special) for token in loose}
        listed = [names[index] for index in heat.tokens if index in names]
        return ", ".join(listed) if len(listed) <= _NAMED else f"{len(heat.tokens)} tokens"

    def place(self, heat: HeatMap) -> str:
        """Return a label of sites and timesteps: "OUT04 · t = 1", "5 sites · t = 1"."""
        return f"{self.where(heat)} · {self.maps.provenance.level}"

    def where(self, heat: HeatMap) -> str:
        """Return a label of sites and heads: "OUT04 · heads 0", "5 sites"."""
        labels = list(dict.fromkeys(heat.sites))
        sites = ", ".join(labels) if len(labels) <= _NAMED else f"{len(labels)} sites"
        sites += "" if self.heads in (None, "", "mean") else f" · heads {_list_heads(self.heads)}"
        return ("refined · " if heat.refined else "") + sites

    def overlaid(self, heat: HeatMap, size: tuple[int, int]) -> tuple[Image.Image, float, float]:
        """Draw the map over the image at (height, width); return also the values of its end colours."""
        picture = self.scaled(size)
        if self.region is None:
            return self._overlay_heat(picture, heat)
        left, top, width, height = self.region
        across, down = size[1] / self.image.width, size[0] / self.image.height
        box = (round(left * across), round(top * down), round((left + width) * across),
               round((top + height) * down))  # fmt: skip
        part, low, high = self._overlay_heat(picture.crop(box), heat)
        picture = picture.copy()
        picture.paste(part, box[:2])
        return picture, low, high

    def _overlay_heat(self, picture: Image.Image, heat: HeatMap) -> tuple[Image.Image, float, float]:
        shade, low, high = self.view.shade(heat, (picture.height, picture.width))
        return overlaid(picture, shade, self.view.colormap, self.view.opacity), low, high

    def scaled(self, size: tuple[int, int]) -> Image.Image:
        """Return the image at (height, width), cached for all cells of a grid."""
        if size == self.image_size:
            return self.image
        if size not in self._scaled:
            self._scaled[size] = self.image.resize((size[1], size[0]), Image.Resampling.LANCZOS)
        return self._scaled[size]


def number(value: float) -> str:
    """Format a value for a label, with three significant digits."""
    return f"{value:.3g}"


def _list_heads(heads: object) -> str:
    return ", ".join(map(str, heads)) if isinstance(heads, (list, tuple)) else str(heads)
