"""A bounded store: what was used last stays, by number, weight and age."""

from __future__ import annotations

import sys
import threading

from vxa.recent import Recent


def test_the_least_recently_used_goes_first() -> None:
    store: Recent[str, int] = Recent(most=2)
    assert store.put("a", 1) == []
    assert store.put("b", 2) == []
    assert store.get("a") == 1
    assert store.put("c", 3) == [2]
    assert [store.peek(key) for key in "abc"] == [1, None, 3]


def test_looking_is_no_use() -> None:
    store: Recent[str, int] = Recent(most=2)
    store.put("a", 1)
    store.put("b", 2)
    assert store.peek("a") == 1
    assert store.put("c", 3) == [1]


def test_the_weight_is_bounded_but_the_newest_stays() -> None:
    store: Recent[str, str] = Recent(most=9, most_weight=5, weigh=len)
    store.put("a", "123")
    assert store.put("b", "12") == []
    assert store.weight == 5
    assert store.put("c", "1") == ["123"]
    assert store.put("d", "123456789") == ["12", "1"]
    assert store.weight == 9


def test_what_was_not_used_for_long_is_dropped() -> None:
    now = [0.0]
    store: Recent[str, int] = Recent(most=9, longest=10, clock=lambda: now[0])
    store.put("a", 1)
    store.put("b", 2)
    now[0] = 8
    assert store.get("a") == 1
    now[0] = 12
    assert store.get("b") is None
    assert store.get("a") == 1


def test_an_exchange_needs_the_value_that_is_there() -> None:
    store: Recent[str, list[int]] = Recent(most=2)
    old, new = [1], [2]
    store.put("a", old)
    assert not store.exchange("a", [1], new)
    assert store.exchange("a", old, new)
    assert store.peek("a") is new
    assert store.exchange("a", new, None)
    assert "a" not in store
    assert not store.exchange("a", new, old)


def test_a_value_that_is_put_again_is_never_away() -> None:
    store: Recent[str, int] = Recent(most=2)
    store.put("a", 1)
    stopped = threading.Event()

    def write() -> None:
        while not stopped.is_set():
            store.put("a", 1)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert all(store.peek("a") == 1 and "a" in store for _ in range(20_000))
    finally:
        stopped.set()
        writer.join()
        sys.setswitchinterval(interval)
