"""One at a time, in the order of asking: those who wait for the model know how many come first."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Turns"]

_TELL_EVERY = 0.2  # seconds between two tellings of how many come first


class Turns:
    """A first-in-first-out lock. A plain lock gives no order: a page could wait for ever."""

    def __init__(self) -> None:
        self._queue: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, waiting: Callable[[int], None] = lambda ahead: None) -> Iterator[None]:
        """The block runs when all who asked before are done.

        Meanwhile `waiting` is told how many of them there are; what it raises leaves the queue.
        """
        mine = threading.Event()
        with self._lock:
            self._queue.append(mine)
            self._queue[0].set()
        try:
            while not mine.wait(_TELL_EVERY):
                waiting(self._ahead_of(mine))
            yield
        finally:
            with self._lock:
                self._queue.remove(mine)
                if self._queue:
                    self._queue[0].set()

    def _ahead_of(self, mine: threading.Event) -> int:
        with self._lock:
            return self._queue.index(mine)
