"""Work in a thread of its own, whose progress somebody follows as fast as they can."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Generic, TypeVar

from vxa.ui.backend import Progress

__all__ = ["Live"]

Result = TypeVar("Result")


class Live(Generic[Result]):
    """The work, begun. Iterating waits for what it tells of itself; who comes late hears the newest alone.

    `stop` is called where the follower goes away before the end.
    """

    def __init__(self, work: Callable[[Progress], Result], stop: Callable[[], object]) -> None:
        self._told: queue.SimpleQueue[tuple[float, str] | None] = queue.SimpleQueue()
        self._done: Future[Result] = Future()
        self._stop = stop
        threading.Thread(target=self._run, args=(work,), daemon=True).start()

    def _run(self, work: Callable[[Progress], Result]) -> None:
        try:
            self._done.set_result(work(lambda fraction, what: self._told.put((fraction, what))))
        except BaseException as error:
            self._done.set_exception(error)
        finally:
            self._told.put(None)

    def __iter__(self) -> Iterator[tuple[float, str]]:
        try:
            while (told := self._newest()) is not None:
                yield told
        finally:
            if not self._done.done():
                self._stop()

    def _newest(self) -> tuple[float, str] | None:
        told = self._told.get()
        while told is not None and not self._told.empty():
            told = self._told.get()
        return told

    def result(self) -> Result:
        """What the work gave. Raises what it raised."""
        return self._done.result()
