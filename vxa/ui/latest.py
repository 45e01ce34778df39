"""Of the pictures that a page waits for at once, the one that was asked for last is the one that is shown."""

from __future__ import annotations

from vxa.recent import Recent
from vxa.ui.asked import Asked

__all__ = ["Latest"]

_MOST = 1000  # pages remembered


class Latest:
    """What each page asked for last: answers may overtake each other, and an older one is dropped."""

    def __init__(self) -> None:
        self._asked: Recent[str, Asked] = Recent(_MOST)

    def ask(self, page: str, asked: Asked) -> None:
        """From now on the page waits for this."""
        self._asked.put(page, asked)

    def knows(self, page: str) -> bool:
        """Whether the page asked for a picture yet."""
        return page in self._asked

    def asked(self, page: str) -> Asked | None:
        """What the page asked for last."""
        return self._asked.peek(page)

    def waits_for(self, page: str, asked: Asked) -> bool:
        """Whether this is what the page asked for last."""
        return self._asked.peek(page) == asked
