"""A store of what was used last, bounded in number, weight and age.

latents: Recent[bytes, Tensor] = Recent(most=4)
latents.put(key, latent)              # returns the values that had to go
latents.get(key)                      # the value, now the most recently used; None where it is gone
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Recent"]

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """Values by key, of which the least recently used go when there is too much.

    The newest stays whatever its weight. May be used by several threads at once.

    Attributes:
        most: entries kept.
        most_weight: weight of all entries together; None for no bound.
        longest: seconds that an entry is kept after its last use; None for no bound.
        weigh: the weight of a value.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        most: int,
        *,
        most_weight: int | None = None,
        longest: float | None = None,
        weigh: Callable[[Value], int] = lambda value: 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most, self.most_weight, self.longest = most, most_weight, longest
        self.weigh, self.clock = weigh, clock
        self._entries: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: Key) -> bool:
        with self._lock:
            return key in self._entries

    @property
    def weight(self) -> int:
        """Weight of all entries together."""
        with self._lock:
            return sum(self.weigh(value) for _, value in self._entries.values())

    def put(self, key: Key, value: Value) -> list[Value]:
        """Keep the value as the newest, in place of the key's old one; return the values dropped for it."""
        with self._lock:
            self._entries[key] = (self.clock(), value)
            self._entries.move_to_end(key)
            return self.drop()

    def get(self, key: Key) -> Value | None:
        """Return the value, which is now the most recently used; None where there is none."""
        with self._lock:
            self.drop()
            value = self.peek(key)
            if value is not None:
                self._entries.move_to_end(key)
                self._entries[key] = (self.clock(), value)
            return value

    def peek(self, key: Key) -> Value | None:
        """Return the value without counting that as a use; None where there is none."""
        with self._lock:
            entry = self._entries.get(key)
        return None if entry is None else entry[1]

    def exchange(self, key: Key, old: Value, new: Value | None) -> bool:
        """Put the new value in place of the old one, or nothing; False where another is there by now."""
        with self._lock:
            if key not in self._entries or self.peek(key) is not old:
                return False
            if new is None:
                del self._entries[key]
            else:
                self.put(key, new)
            return True

    def drop(self) -> list[Value]:
        """Drop and return what is too old, and the least recently used while there is too much."""
        with self._lock:
            dropped = []
            while self._entries and self._is_too_much():
                dropped.append(self._entries.popitem(last=False)[1][1])
            return dropped

    def _is_too_much(self) -> bool:
        used = next(iter(self._entries.values()))[0]
        if self.longest is not None and used < self.clock() - self.longest:
            return True
        if len(self._entries) == 1:
            return False
        too_heavy = self.most_weight is not None and self.weight > self.most_weight
        return len(self._entries) > self.most or too_heavy
