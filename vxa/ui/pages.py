"""What the server keeps for each open page: bounded in number, bytes and age, the least recently used going.

A page is known by a random id that only it holds, so nobody sees another's image. A host may never say that
a page went away; the bounds alone free what is left behind.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from PIL import Image

from vxa.attention.records import PassRecord
from vxa.attention.sums import SumRecord
from vxa.errors import VxaError
from vxa.maps.attention_maps import AttentionMaps
from vxa.recent import Recent
from vxa.tracing.settings import PassSettings
from vxa.ui import strings
from vxa.ui.steering import Steering

__all__ = ["Kept", "PageGone", "PageId", "Pages", "Wanted", "maps_bytes"]


class PageGone(VxaError):
    """The page has no maps on the server, not yet or no longer."""


@dataclass(frozen=True)
class Wanted:
    """What a pass was asked to look at, and how.

    Attributes:
        digest: tells the image's file from others.
        prompt, timestep, noise, seed: as they were set.
        refine: whether self-attention was recorded too.
        traced: whether there was no pass: the maps were traced while the model made the image, which only
            its prompt and its seed tell of.
    """

    digest: str = ""
    prompt: str = ""
    timestep: int = PassSettings.timestep
    noise: str = PassSettings.noise
    seed: int = 0
    refine: bool = False
    traced: bool = False


@dataclass(frozen=True, eq=False)
class Kept:
    """What one page explores.

    Attributes:
        image: what was looked at.
        name: the name of the file it came in.
        maps: those of the pass.
        wanted: what the pass was asked for.
        passes: the maps at several timesteps, where they were asked for; `maps` may be among them.
        steering: what made the picture together with others; None for a picture alone.
        batch: those pictures in their order, this one included; none for a picture alone.
    """

    image: Image.Image
    name: str
    maps: AttentionMaps
    wanted: Wanted = Wanted()
    passes: tuple[AttentionMaps, ...] = ()
    steering: Steering | None = None
    batch: tuple[Kept, ...] = ()

    @property
    def pictures(self) -> tuple[Kept, ...]:
        """What is drawn side by side: the pictures that were made together, or this one alone."""
        return self.batch or (self,)

    @property
    def nbytes(self) -> int:
        """Bytes of memory, each of the maps counted once."""
        images = [each.image for each in self.pictures]
        pixels = sum(image.width * image.height * len(image.getbands()) for image in images)
        known = {id(maps): maps for each in self.pictures for maps in (each.maps, *each.passes)}
        return pixels + sum(map(maps_bytes, known.values()))

    def shown(self, mode: str) -> tuple[AttentionMaps, ...]:
        """What a picture of that mode is made of: mode "timesteps" shows all passes, or all bins of steps."""
        if mode != "timesteps":
            return (self.maps,)
        return self.maps.each_bin() or self.passes or (self.maps,)


def maps_bytes(maps: AttentionMaps) -> int:
    """Bytes of memory, with the mean maps that the records compute once and keep."""
    return sum(map(_record_bytes, maps.records.values()))


def _record_bytes(record: object) -> int:
    if isinstance(record, SumRecord):
        return record.sums.nbytes
    if not isinstance(record, PassRecord):
        return 0
    mean = 4 * record.token_count * record.grid[0] * record.grid[1]
    return record.query.nbytes + record.key.nbytes + mean


@dataclass
class Pages:
    """The pages by id.

    Attributes:
        most: pages kept.
        most_bytes: bytes kept by all together; the newest page is kept whatever its size.
        longest: seconds that a page is kept after its last use.
        clock: seconds, never going back.
    """

    most: int = 20
    most_bytes: int = 2**30
    longest: float = 3600.0
    clock: Callable[[], float] = time.monotonic
    _pages: Recent[str, Kept] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._pages = Recent(
            self.most, most_weight=self.most_bytes, longest=self.longest, weigh=_nbytes,
            clock=lambda: self.clock(),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self._pages)

    @property
    def nbytes(self) -> int:
        """Bytes that all the pages keep."""
        return self._pages.weight

    def put(self, page: str, kept: Kept) -> None:
        """Keep this for the page, in place of what it had; older pages go where the bounds ask for it."""
        self._pages.put(page, kept)

    def exchange(self, page: str, old: Kept, new: Kept | None) -> bool:
        """Keep the new in place of the old, or nothing; False where the page has another by now, or none."""
        return self._pages.exchange(page, old, new)

    def drop(self, page: str) -> None:
        """Keep nothing for the page."""
        kept = self.find(page)
        if kept is not None:
            self.exchange(page, kept, None)

    def find(self, page: str | None) -> Kept | None:
        """What the page has, or nothing."""
        return self._pages.get(page) if page else None

    def get(self, page: str | None) -> Kept:
        """What the page has. Raises PageGone where that is nothing."""
        kept = self.find(page)
        if kept is None:
            raise PageGone(strings.PAGE_GONE)
        return kept


def _nbytes(kept: Kept) -> int:
    return kept.nbytes


class PageId(str):
    """The id of a page; a deep copy is a new one, which nobody can guess.

    gradio gives every page a deep copy of what its state begins with, so that a page has its id from the
    start, without asking for one.
    """

    __slots__ = ()

    def __deepcopy__(self, memo: object) -> PageId:
        return PageId(secrets.token_urlsafe(24))
