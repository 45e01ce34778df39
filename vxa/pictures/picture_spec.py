"""The question that a picture answers: which tokens, sites and heads of which maps, over which image."""

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

_NAMED = 4  # words, tokens or sites named one by one in a label


@dataclass(frozen=True, eq=False)
class PictureSpec:
    """Some tokens at some sites and heads of the maps, and the image they are of.

    `against` and `against_tokens` are what the words and tokens are compared with, where they are; `passes`
    are the maps of all passes, where there are several, `maps` being the first. `refine` gathers every map
    through self-attention. `region` is the part of the image that the maps are of, as (left, top, width,
    height) in its pixels; None is all of it, and around it overlays show the image as it is.
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
        """(height, width) of the whole image."""
        return self.image.height, self.image.width

    def heat(self, **instead: Any) -> HeatMap:
        """The answer; a cell of a grid asks for its own `tokens` (and no words) or `sites`."""
        asked: dict[str, Any] = {
            "words": self.words,
            "tokens": self.tokens,
            "sites": self.sites,
            "heads": self.heads,
            "refine": self.refine,
        }
        if "tokens" in instead:
            asked["words"] = None
        return self.maps.heat_map(**{**asked, **instead}, normalize=self._formula())

    def heats(self, words: Sequence[Word], sites: SiteSpec = None) -> list[HeatMap]:
        """The answer for each word of a grid, at its own sites or the question's."""
        at = sites or self.sites
        return self.maps.heat_maps(words, None, at, self.heads, self._formula(), self.refine)

    def _formula(self) -> Literal["original"] | None:
        return "original" if self.view.normalize == "original" else None

    def compared(self) -> PictureSpec:
        """The same question about what this one is compared with."""
        return replace(self, words=self.against, tokens=self.against_tokens)

    def asked_of(self, maps: AttentionMaps) -> PictureSpec:
        """The same question about another pass. Raises SettingError where its prompt is another."""
        prompts = [each.provenance.prompt for each in (self.maps, maps)]
        if prompts[0] != prompts[1]:
            raise SettingError(
                f"the passes are of {prompts[0][:80]!r} and of {prompts[1][:80]!r}; give those of one prompt"
            )
        return replace(self, maps=maps)

    def subject(self, heat: HeatMap) -> str:
        """What was chosen, for a label: "hat, neck", or the texts of the tokens, those of a word as one."""
        if heat.words:
            return ", ".join(dict.fromkeys(heat.words))
        if self.tokens is None or self.tokens == "":
            return "every word"
        whole = {word.tokens: word.text for word in self.maps.words if set(word.tokens) <= set(heat.tokens)}
        names = {tokens[0]: name for tokens, name in whole.items()}
        pieces = {index for tokens in whole for index in tokens}
        loose = [self.maps.tokens[index] for index in heat.tokens if index not in pieces]
        names |= {token.index: token.text or str(token.special) for token in loose}
        listed = [names[index] for index in heat.tokens if index in names]
        return ", ".join(listed) if len(listed) <= _NAMED else f"{len(heat.tokens)} tokens"

    def place(self, heat: HeatMap) -> str:
        """Where it was read, for a label: "OUT04 · t = 1", "5 sites · t = 1"."""
        return f"{self.where(heat)} · {self.maps.provenance.level}"

    def where(self, heat: HeatMap) -> str:
        """The sites and heads it was read at, for a label: "OUT04 · heads 0", "5 sites"."""
        labels = list(dict.fromkeys(heat.sites))
        sites = ", ".join(labels) if len(labels) <= _NAMED else f"{len(labels)} sites"
        sites += "" if self.heads in (None, "", "mean") else f" · heads {_listed(self.heads)}"
        return ("refined · " if heat.refined else "") + sites

    def overlaid(self, heat: HeatMap, size: tuple[int, int]) -> tuple[Image.Image, float, float]:
        """The map's colours over the image at (height, width), and the values of its darkest and lightest."""
        picture = self.scaled(size)
        if self.region is None:
            return self._coloured(picture, heat)
        left, top, width, height = self.region
        across, down = size[1] / self.image.width, size[0] / self.image.height
        box = (round(left * across), round(top * down), round((left + width) * across),
               round((top + height) * down))  # fmt: skip
        part, low, high = self._coloured(picture.crop(box), heat)
        picture = picture.copy()
        picture.paste(part, box[:2])
        return picture, low, high

    def _coloured(self, picture: Image.Image, heat: HeatMap) -> tuple[Image.Image, float, float]:
        shade, low, high = self.view.shade(heat, (picture.height, picture.width))
        return overlaid(picture, shade, self.view.colormap, self.view.opacity), low, high

    def scaled(self, size: tuple[int, int]) -> Image.Image:
        """The image at (height, width), made once for all the cells of a grid."""
        if size == self.image_size:
            return self.image
        if size not in self._scaled:
            self._scaled[size] = self.image.resize((size[1], size[0]), Image.Resampling.LANCZOS)
        return self._scaled[size]


def number(value: float) -> str:
    """A value as the labels write it: three significant digits."""
    return f"{value:.3g}"


def _listed(heads: object) -> str:
    return ", ".join(map(str, heads)) if isinstance(heads, (list, tuple)) else str(heads)
