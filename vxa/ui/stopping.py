"""Work that its page may stop, wherever it tells how far it is."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from vxa.errors import VxaError
from vxa.ui import strings
from vxa.ui.backend import Progress

__all__ = ["Stoppable", "Stopped"]


class Stopped(VxaError):
    """The person pressed stop."""


@dataclass
class Stoppable:
    """A block that a page is working in: it tells its progress through what the block is given.

    What was told last is not told again, so that work may tell it as often as it can be stopped.

    Attributes:
        stops: what stops each page's work, while there is any.
        page: the page's id.
        progress: told what the work tells, until it is stopped.
    """

    stops: dict[str, threading.Event]
    page: str
    progress: Progress
    _last: tuple[float, str] | None = None

    def __enter__(self) -> Progress:
        self._stopping = self.stops[self.page] = threading.Event()
        return self._tell

    def __exit__(self, *error: object) -> None:
        if self.stops.get(self.page) is self._stopping:
            del self.stops[self.page]

    def _tell(self, fraction: float, what: str) -> None:
        if self._stopping.is_set():
            raise Stopped(strings.STOPPED)
        if (fraction, what) != self._last:
            self._last = (fraction, what)
            self.progress(fraction, what)
