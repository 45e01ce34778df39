"""Running attention sums of every site for one prompt.

Sites that were computed together the first time lie in one `SiteSum`, where one operation adds to all of them
the next time. The first pass decides it, since the order of sites and their shapes stay the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vxa.attention.row_attention import RowAttention
from vxa.attention.sites import Site
from vxa.attention.sums import SiteSum, SumRecord

__all__ = ["PromptSums"]


class PromptSums:
    """Running sums of the sites that a prompt was read at.

    Args:
        latent_size: (height, width), from which each site's grid follows.
        bins: number of step bins.
        apart: keep each head of cross-attention separately.
        kept: the tokens to keep of cross-attention (None: all).
    """

    def __init__(
        self, latent_size: tuple[int, int], bins: int, apart: bool, kept: tuple[int, ...] | None
    ) -> None:
        self._latent_size, self._bins, self._apart, self._kept = latent_size, bins, apart, kept
        self._places: dict[str, tuple[SiteSum, int]] = {}

    @property
    def nbytes(self) -> int:
        """Size of the sums in bytes."""
        return sum(running.nbytes for running in self._distinct())

    def has(self, sites: Sequence[Site]) -> bool:
        """Return whether each of the sites was added to."""
        return all(site.name in self._places for site in sites)

    def add(self, sites: Sequence[Site], attention: RowAttention, step_bin: int, scratch: int) -> None:
        """Add the attention of sites of one shape, which computes `scratch` floats at once."""
        for place, part in self._runs([site.name for site in sites]):
            own = attention if len(sites) == part.stop - part.start else attention.of_sites(part)
            running, first = place or self._create(sites[part], own)
            running.add(own, step_bin, first, scratch)

    def add_all(self, other: PromptSums, step_bin: int) -> None:
        """Add sums of one bin."""
        for running in other._distinct():
            names = [name for name, (owner, _) in other._places.items() if owner is running]
            for place, part in self._runs(names):
                count = part.stop - part.start
                own, first = place or self._keep(names[part], running.empty_like(self._bins, count))
                own.add_sum(running, step_bin, first, other._places[names[part.start]][1], count)

    def is_finite(self, site: Site) -> bool:
        """Return whether the site's sum has neither NaN nor infinity."""
        running, place = self._places[site.name]
        return running.is_finite(place)

    def record(self, site: Site, final: bool) -> SumRecord:
        """Return the site's record: a copy, or the sum itself where no pass follows."""
        running, place = self._places[site.name]
        return running.release(place) if final else running.record(place)

    def _distinct(self) -> list[SiteSum]:
        return list({id(running): running for running, _ in self._places.values()}.values())

    def _runs(self, names: Sequence[str]) -> Iterator[tuple[tuple[SiteSum, int] | None, slice]]:
        """Yield runs of names that lie one below the other in one sum, and where; None is nowhere."""
        places = [self._places.get(name) for name in names]
        start = 0
        for end in range(1, len(names) + 1):
            if end == len(names) or not _is_next(places[end - 1], places[end]):
                yield places[start], slice(start, end)
                start = end

    def _create(self, sites: Sequence[Site], attention: RowAttention) -> tuple[SiteSum, int]:
        own, (heads, _, tokens) = sites[0].kind == "self", attention.shape
        running = SiteSum(
            sites[0].grid(self._latent_size), heads, tokens, sites=len(sites), bins=self._bins,
            apart=self._apart and not own, kept=None if own else self._kept, device=attention.device,
        )  # fmt: skip
        return self._keep([site.name for site in sites], running)

    def _keep(self, names: Sequence[str], running: SiteSum) -> tuple[SiteSum, int]:
        self._places.update((name, (running, place)) for place, name in enumerate(names))
        return running, 0


def _is_next(before: tuple[SiteSum, int] | None, place: tuple[SiteSum, int] | None) -> bool:
    if before is None or place is None:
        return before is place
    return before[0] is place[0] and before[1] + 1 == place[1]
