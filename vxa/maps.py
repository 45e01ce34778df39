"""Attention maps: what answers every question about one image, and the heat map that is an answer.

    maps.heat_map("hat")                            # a word, at the model's default sites
    maps.heat_map(tokens="1, 3-5", sites="OUT05", heads=3)
    maps.heat_map("hat").mask(512, 384)             # bool [512, 384]

The scale is absolute: a value is the mean probability with which a place of the image attends to a token
of the selection, comparable across words, sites and images. Averages are taken in this order: over heads;
over the tokens of a word (as in DAAM, Tang et al. 2022); over the words; over the sites, each resampled to
the largest grid among them. Nothing is ever run again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vxa.attention.record import SiteRecord
from vxa.attention.site import Site, SiteSpec, select_sites
from vxa.errors import HeadError, SettingError, SiteError, TokenIndexError
from vxa.tokens import Token, Word, find_words, parse_indices, words

DEFAULT_THRESHOLD = 0.45
"""τ of a mask, as a fraction of the map's maximum."""

Resample = Literal["bicubic", "nearest"]
Normalize = Literal["original"]
WordSpec = str | Sequence[str] | None
TokenSpec = str | int | Sequence[int] | None
HeadSpec = str | int | Sequence[int] | None

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "nearest": Image.Resampling.NEAREST}


@dataclass(frozen=True)
class Provenance:
    """Where maps come from: enough to make them again."""

    model: str
    prompt: str
    timestep: int
    noise: str
    seed: int
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class HeatMap:
    """One map for one selection of tokens.

    Attributes:
        values: float32 [h, w] on the grid of the padded plane, read-only.
        image_size: (height, width) of the image the maps are of.
        extent: the fraction (of height, of width) of the plane that is image; the rest is padding.
        words: the words selected, as texts; empty when tokens were.
        tokens: the indices of the tokens in it.
        sites: the labels of the sites in it.
        scale: "probability", the mean probability per token; "original", a maximum of one.
    """

    values: NDArray[np.float32]
    image_size: tuple[int, int]
    extent: tuple[float, float]
    words: tuple[str, ...] = ()
    tokens: tuple[int, ...] = ()
    sites: tuple[str, ...] = ()
    scale: Literal["probability", "original"] = "probability"

    def __post_init__(self) -> None:
        self.values.setflags(write=False)

    def upsampled(
        self, height: int | None = None, width: int | None = None, resample: Resample = "bicubic"
    ) -> NDArray[np.float32]:
        """The map over the image alone, float32 [height, width] (by default the image's own size).

        The padding is cropped exactly, at fractions of a cell; bicubic overshoot below zero is clamped.

        Raises:
            SettingError: a size below 1, or an unknown resampling.
        """
        size = (
            self.image_size[0] if height is None else height,
            self.image_size[1] if width is None else width,
        )
        if min(size) < 1:
            raise SettingError(f"a map cannot be {size[0]}×{size[1]} (height×width); both must be at least 1")
        if resample not in _FILTERS:
            raise SettingError(f"resample {resample!r} is unknown; use one of: {', '.join(_FILTERS)}")
        return _resized(self.values, size, self.extent, resample)

    def mask(
        self, height: int | None = None, width: int | None = None, threshold: float | None = None
    ) -> NDArray[np.bool_]:
        """Where the smoothly upsampled map reaches `threshold` times its maximum, bool [height, width].

        Raises:
            SettingError: the threshold is not in 0 … 1.
        """
        threshold = DEFAULT_THRESHOLD if threshold is None else threshold
        if not 0 <= threshold <= 1:
            raise SettingError(f"threshold {threshold!r} is not a fraction of the map's maximum; give 0 to 1")
        values = self.upsampled(height, width)
        mask: NDArray[np.bool_] = (values >= threshold * values.max()) & (values > 0)
        return mask


def _resized(
    values: NDArray[np.float32], size: tuple[int, int], extent: tuple[float, float], resample: Resample
) -> NDArray[np.float32]:
    """The top-left `extent` of the map as float32 of (height, width)."""
    height, width = values.shape
    box = (0.0, 0.0, width * extent[1], height * extent[0])
    image = Image.fromarray(values).resize((size[1], size[0]), _FILTERS[resample], box=box)
    return np.maximum(np.asarray(image, dtype=np.float32), 0.0)


@dataclass(frozen=True, eq=False)
class AttentionMaps:
    """The recorded attention of one image and prompt.

    Attributes:
        sites: the sites recorded, in run order.
        tokens: one for each position of the prompt's context.
        image_size: (height, width) of the image that maps refer to.
        extent: the fraction (of height, of width) of the padded plane that is image.
        latent_size: (height, width) of the padded plane's latent.
        provenance: where the maps come from.
        records: what was recorded, by site name.
        default_sites: what `sites=None` reads, in the grammar of `vxa.attention.site`.
    """

    sites: tuple[Site, ...]
    tokens: tuple[Token, ...]
    image_size: tuple[int, int]
    extent: tuple[float, float]
    latent_size: tuple[int, int]
    provenance: Provenance
    records: Mapping[str, SiteRecord]
    default_sites: str = "all"

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of the prompt."""
        return words(self.tokens)

    @property
    def site_names(self) -> tuple[str, ...]:
        """The recorded sites' module names."""
        return tuple(site.name for site in self.sites)

    @property
    def site_labels(self) -> tuple[str, ...]:
        """The recorded sites' labels."""
        return tuple(site.label for site in self.sites)

    def find_words(self, selection: str | Sequence[str]) -> tuple[Word, ...]:
        """The words that `selection` names; see `vxa.tokens.find_words`."""
        return find_words(self.tokens, selection)

    def select_sites(self, sites: SiteSpec = None) -> tuple[Site, ...]:
        """The recorded sites that `sites` names, None being the default ones."""
        return select_sites(self.sites, self.default_sites if sites is None else sites, self.latent_size)

    def heat_map(
        self,
        words: WordSpec = None,
        tokens: TokenSpec = None,
        sites: SiteSpec = None,
        heads: HeadSpec = None,
        normalize: Normalize | None = None,
    ) -> HeatMap:
        """The map of some words or tokens at some sites and heads.

        Args:
            words: "hat, red scarf, cat#2", or a sequence of phrases.
            tokens: instead of words: indices as "1, 3-5" or numbers, 0 being the begin-of-text token;
                "all" is every token but that one, padding included (the original extension's blank).
                When neither is given, every real token of the prompt.
            sites: in the grammar of `vxa.attention.site`; None is `default_sites`.
            heads: None or "mean" for all, or indices as "0, 3" or numbers.
            normalize: "original" is the original extension's formula, Σ over heads Σ over tokens divided
                by the maximum, of one site.

        Raises:
            WordError, TokenIndexError, SiteError, HeadError, SettingError: see the message.
        """
        names, groups = self._groups(words, tokens)
        chosen = self.select_sites(sites)
        picked = self._heads(heads, chosen)
        if normalize is None:
            values = _mean_of_sites([self._site_mean(site, groups, picked) for site in chosen])
        elif normalize == "original":
            values = self._original(chosen, groups, picked)
        else:
            raise SettingError(f"normalize {normalize!r} is unknown; use None or 'original'")
        return HeatMap(
            values,
            self.image_size,
            self.extent,
            names,
            _union(groups),
            tuple(site.label for site in chosen),
            "probability" if normalize is None else "original",
        )

    def _groups(self, words: WordSpec, tokens: TokenSpec) -> tuple[tuple[str, ...], list[tuple[int, ...]]]:
        """The selected words' texts, and the groups of token indices to average: words or single tokens."""
        if _is_blank(words):
            return (), [(index,) for index in self._indices(tokens)]
        if not _is_blank(tokens):
            raise SettingError(
                f"both words {words!r} and tokens {tokens!r} were given; choose by one of them"
            )
        assert words is not None
        found = self.find_words(words)
        return tuple(word.text for word in found), [word.tokens for word in found]

    def _indices(self, tokens: TokenSpec) -> tuple[int, ...]:
        count = len(self.tokens)
        if tokens is None or _is_blank(tokens):
            real = tuple(token.index for token in self.tokens if token.special is None)
            if not real:
                raise TokenIndexError(
                    'the prompt has no tokens of its own; choose by index, as in tokens="0-2"'
                )
            return real
        if isinstance(tokens, str):
            if tokens.strip().lower() == "all":
                return tuple(token.index for token in self.tokens if token.special != "bos")
            return parse_indices(tokens, count)
        return _checked(tokens, count, TokenIndexError, "token index")

    def _heads(self, heads: HeadSpec, chosen: Sequence[Site]) -> tuple[int, ...] | None:
        if heads is None or (isinstance(heads, str) and heads.strip().lower() in ("", "mean")):
            return None
        count = min(self.records[site.name].heads for site in chosen)
        if isinstance(heads, str):
            try:
                return parse_indices(heads, count)
            except TokenIndexError as error:
                raise HeadError(
                    f"heads {heads!r} cannot be read; "
                    f'give "mean", or numbers from 0 to {count - 1} like "0, 3"'
                ) from error
        return _checked(heads, count, HeadError, "head")

    def _site_mean(
        self, site: Site, groups: list[tuple[int, ...]], heads: tuple[int, ...] | None
    ) -> NDArray[np.float32]:
        indices = _union(groups)
        weights = dict.fromkeys(indices, 0.0)
        for group in groups:
            for index in group:
                weights[index] += 1 / (len(group) * len(groups))
        maps = self.records[site.name].tokens(indices, heads).numpy()
        values: NDArray[np.float32] = np.tensordot(np.array(list(weights.values()), np.float32), maps, axes=1)
        return values

    def _original(
        self, chosen: Sequence[Site], groups: list[tuple[int, ...]], heads: tuple[int, ...] | None
    ) -> NDArray[np.float32]:
        if len(chosen) != 1:
            labels = ", ".join(site.label for site in chosen)
            raise SiteError(
                f"normalize='original' reads one site, and {len(chosen)} are chosen; give one of: {labels}"
            )
        total = self.records[chosen[0].name].tokens(_union(groups), heads).sum(dim=0).numpy()
        # Σ over heads is the mean times their number, which the division by the maximum takes out again.
        values: NDArray[np.float32] = total / max(float(total.max()), np.finfo(np.float32).tiny)
        return values


def _union(groups: list[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(index for group in groups for index in group))


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _checked(numbers: int | Sequence[int], count: int, error: type[Exception], what: str) -> tuple[int, ...]:
    """The numbers, without repeats, when each is an integer in 0 … count - 1."""
    listed = list(numbers) if isinstance(numbers, Sequence) else [numbers]
    for number in listed:
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or not 0 <= number < count:
            raise error(f"{what} {number!r} is out of range; give whole numbers from 0 to {count - 1}")
    if not listed:
        raise error(f"no {what} was given; give whole numbers from 0 to {count - 1}")
    return tuple(dict.fromkeys(int(number) for number in listed))


def _mean_of_sites(maps: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The mean on the largest grid among the maps; one map, or maps of one grid, are not resampled."""
    largest = max((values.shape for values in maps), key=lambda shape: shape[0] * shape[1])
    size = (largest[0], largest[1])
    same = [
        values if values.shape == size else _resized(values, size, (1.0, 1.0), "bicubic") for values in maps
    ]
    mean: NDArray[np.float32] = np.mean(same, axis=0, dtype=np.float32)
    return mean
