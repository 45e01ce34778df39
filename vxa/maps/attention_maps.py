"""Attention maps: the recorded attention of one image, from which any heat map is computed.

    maps.heat_map("hat")                            # a word, at the model's default sites
    maps.heat_map(tokens="1, 3-5", sites="OUT05", heads=3)

A value is the mean probability with which a position of the image attends to a token of the selection. The
scale is absolute: values are comparable across words, sites and images. The mean is taken in this order: over
heads; over the tokens of a word (as in DAAM, Tang et al. 2022); over the words; over the attention layers
(sites), each resampled to the largest grid among them. A refined map combines its sites differently
(`vxa.maps.refine`) and is not a probability. The model is never run again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vxa.attention.records import SiteRecord
from vxa.attention.sites import Site, SiteSpec, select_sites
from vxa.attention.sums import SumRecord
from vxa.errors import SettingError, SiteError
from vxa.maps.heat_map import HeatMap, Scale, mean_on_largest
from vxa.maps.notebook import maps_html
from vxa.maps.refine import refine_maps
from vxa.maps.region import Region
from vxa.maps.selection import HeadSpec, TokenSpec, WordSpec, each_choice, head_indices, token_groups, union
from vxa.maps.steps import StepBin, bins_of
from vxa.maps.tensors import mean_tensor
from vxa.tokens import Token, Word, find_words, shorten, words

Normalize = Literal["original"]
Choice = tuple[tuple[str, ...], list[tuple[int, ...]]]  # the result of token_groups


@dataclass(frozen=True)
class Provenance:
    """Origin of the maps: enough to make them again.

    Attributes:
        model, prompt: the model's name and its prompt.
        timestep: the noise level of the pass, or the highest of several passes.
        noise: "none", "matched", "generated" (recorded during a generation) or "ddim" (DDIM inversion).
        seed: the seed of that noise; None if unknown.
        versions: the versions of the software that made the maps.
        notes: limitations a reader must know.
        last_timestep: the lowest noise level of several passes; None for one.
        image: the name of the image's file, without its folder; None if the image did not come from a file.
    """

    model: str
    prompt: str
    timestep: int
    noise: str
    seed: int | None
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    last_timestep: int | None = None
    image: str | None = None

    @property
    def level(self) -> str:
        """Noise levels as a label: "t = 1", "t = 981 … 1"."""
        last = "" if self.last_timestep is None else f" … {self.last_timestep}"
        return f"t = {self.timestep}{last}"


@dataclass(frozen=True, eq=False, repr=False)
class AttentionMaps:
    """Recorded attention of one image and prompt.

    Attributes:
        sites: the recorded cross-attention layers (sites), in run order.
        tokens: one for each position of the prompt's context.
        image_size: (height, width) of the image.
        extent: the fraction (of height, of width) of the padded image that is image.
        latent_size: (height, width) of the padded image's latent.
        provenance: the origin of the maps.
        records: the recorded attention by site name.
        default_sites: the sites that `sites=None` reads, in the grammar of `vxa.attention.sites`.
        self_sites: the recorded self-attention sites, which `refine` reads.
        steps: the step bins of a trace, in order; empty for a single pass.
        region: the part of the image that the network worked on; None is all of it.
    """

    sites: tuple[Site, ...]
    tokens: tuple[Token, ...]
    image_size: tuple[int, int]
    extent: tuple[float, float]
    latent_size: tuple[int, int]
    provenance: Provenance
    records: Mapping[str, SiteRecord]
    default_sites: str = "all"
    self_sites: tuple[Site, ...] = ()
    steps: tuple[StepBin, ...] = ()
    region: Region | None = None

    def __repr__(self) -> str:
        height, width = self.image_size
        made = self.provenance
        return (
            f"<AttentionMaps of {shorten(made.prompt)!r}: {len(self.words)} words, {len(self.sites)} sites, "
            f"{height}×{width}, {made.model}, {made.level}>"
        )

    def _repr_html_(self) -> str:
        return maps_html(self)

    @property
    def words(self) -> tuple[Word, ...]:
        """Words of the prompt."""
        return words(self.tokens)

    @property
    def site_labels(self) -> tuple[str, ...]:
        """Labels of the recorded sites."""
        return tuple(site.label for site in self.sites)

    def find_words(self, selection: str | Sequence[str]) -> tuple[Word, ...]:
        """Return the words that `selection` names; see `vxa.tokens.find_words`."""
        return find_words(self.tokens, selection)

    def select_sites(self, sites: SiteSpec = None) -> tuple[Site, ...]:
        """Return the recorded sites that `sites` names; None is the default sites."""
        return select_sites(self.sites, self.default_sites if sites is None else sites, self.latent_size)

    def at_steps(self, steps: str | int) -> AttentionMaps:
        """Return the maps of some steps alone, written as "0-4, 9" or a number.

        The steps must make up whole bins of the trace.

        Raises:
            SettingError: the maps are of one pass, or a bin holds other steps too.
            TokenIndexError: the steps cannot be parsed, or are out of range.
        """
        return self.of_bins(bins_of(self.steps, steps))

    def each_bin(self) -> tuple[AttentionMaps, ...]:
        """Return separate maps for each step bin, in order."""
        return tuple(self.of_bins((number,)) for number in range(len(self.steps)))

    def of_bins(self, bins: tuple[int, ...]) -> AttentionMaps:
        """Return the maps of the step bins with these indices, taken together."""
        kept = tuple(self.steps[number] for number in bins)
        records = {
            name: record.of_bins(bins)
            for name, record in self.records.items()
            if isinstance(record, SumRecord)
        }
        highest, lowest = max(each.highest for each in kept), min(each.lowest for each in kept)
        last = None if highest == lowest else round(lowest)
        provenance = replace(self.provenance, timestep=round(highest), last_timestep=last)
        return replace(self, records=records, steps=kept, provenance=provenance)

    def heat_map(
        self,
        words: WordSpec = None,
        tokens: TokenSpec = None,
        sites: SiteSpec = None,
        heads: HeadSpec = None,
        normalize: Normalize | None = None,
        refine: bool = False,
    ) -> HeatMap:
        """Return the heat map of some words or tokens at some sites and heads.

        Args:
            words: "hat, red scarf, cat#2", or a sequence of phrases.
            tokens: instead of words: indices as "1, 3-5" or numbers, where 0 is the begin-of-text token.
                "all" is every token except that one, padding included (a blank in the original extension).
                Without words and tokens: every real token of the prompt.
            sites: in the grammar of `vxa.attention.sites`; None is `default_sites`.
            heads: None or "mean" for all, or indices as "0, 3" or numbers.
            normalize: "original" is the original extension's formula for one site: Σ over heads Σ over
                tokens, divided by the maximum.
            refine: refine the map by the recorded self-attention, which spreads it over whole objects; see
                `vxa.maps.refine`.

        Raises:
            WordError, TokenIndexError, SiteError, HeadError, SettingError: see the message.
        """
        return self._heat_maps([token_groups(self.tokens, words, tokens)], sites, heads, normalize, refine)[0]

    def tensor(
        self,
        words: WordSpec = None,
        tokens: TokenSpec = None,
        sites: SiteSpec = None,
        heads: HeadSpec = None,
    ) -> Tensor:
        """Return the values of a heat map as a float32 tensor [h, w], on the device of the attention.

        With maps made with `grad=True` it can be differentiated: `maps.tensor("hat").max()` is a loss.

        Args:
            words, tokens, sites, heads: as in `heat_map`.

        Raises:
            WordError, TokenIndexError, SiteError, HeadError, SettingError: see the message.
        """
        chosen = [self.records[site.name] for site in self.select_sites(sites)]
        picked = head_indices(heads, min(record.heads for record in chosen))
        return mean_tensor(chosen, token_groups(self.tokens, words, tokens)[1], picked)

    def heat_maps(
        self,
        words: WordSpec | Sequence[Word] = None,
        tokens: Sequence[TokenSpec] | None = None,
        sites: SiteSpec = None,
        heads: HeadSpec = None,
        normalize: Normalize | None = None,
        refine: bool = False,
    ) -> list[HeatMap]:
        """Return one map for each phrase of `words`, as `heat_map` gives it; quicker than one by one.

        Args:
            words: "hat, red scarf", or a sequence of phrases or of `Word`s; None is every word.
            tokens: instead of words: a sequence of choices, each as `heat_map(tokens=…)` takes it.
            sites, heads, normalize, refine: as in `heat_map`.

        Raises:
            WordError, TokenIndexError, SiteError, HeadError, SettingError: see the message.
        """
        chosen = each_choice(self.tokens, words, tokens)
        return self._heat_maps(chosen, sites, heads, normalize, refine) if chosen else []

    def _heat_maps(
        self,
        choices: Sequence[Choice],
        sites: SiteSpec,
        heads: HeadSpec,
        normalize: Normalize | None,
        refine: bool,
    ) -> list[HeatMap]:
        chosen = self.select_sites(sites)
        picked = head_indices(heads, min(self.records[site.name].heads for site in chosen))
        groups = [each for _, each in choices]
        if normalize is None:
            by_site = [self._site_means(site, groups, picked) for site in chosen]
        elif normalize == "original":
            by_site = [np.stack([self._original(chosen, each, picked) for each in groups])]
        else:
            raise SettingError(f"normalize {normalize!r} is unknown; use None or 'original'")
        if refine:
            values = refine_maps(by_site, [self.records[site.name] for site in self.self_sites], self.extent)
        else:
            values = [mean_on_largest(list(maps)) for maps in zip(*by_site, strict=True)]
        labels = tuple(site.label for site in chosen)
        scale: Scale = "probability" if normalize is None else "original"
        return [
            HeatMap(each, self.image_size, self.extent, names, union(of), labels, scale, refine, self.region)
            for each, (names, of) in zip(values, choices, strict=True)
        ]

    def _site_means(
        self, site: Site, choices: Sequence[list[tuple[int, ...]]], heads: tuple[int, ...] | None
    ) -> NDArray[np.float32]:
        """Return each choice's mean over its tokens and groups, [choices, h, w]; read the record once."""
        columns = {index: column for column, index in enumerate(union([g for of in choices for g in of]))}
        weights = np.zeros((len(choices), len(columns)), np.float32)
        for row, groups in enumerate(choices):
            for group in groups:
                weights[row, [columns[index] for index in group]] += 1 / (len(group) * len(groups))
        maps = self.records[site.name].tokens(tuple(columns), heads).detach().cpu().numpy()
        means: NDArray[np.float32] = weights @ maps.reshape(len(columns), -1)
        return means.reshape(-1, *maps.shape[1:])

    def _original(
        self, chosen: Sequence[Site], groups: list[tuple[int, ...]], heads: tuple[int, ...] | None
    ) -> NDArray[np.float32]:
        if len(chosen) != 1:
            labels = ", ".join(site.label for site in chosen)
            raise SiteError(
                f"normalize='original' reads one site, and {len(chosen)} are chosen; give one of: {labels}"
            )
        summed = self.records[chosen[0].name].tokens(union(groups), heads)
        total = summed.sum(dim=0).detach().cpu().numpy()
        # Σ over heads is the mean times the number of heads, a factor that dividing by the maximum cancels.
        values: NDArray[np.float32] = total / max(float(total.max()), np.finfo(np.float32).tiny)
        return values
