"""Work whose progress is followed from another thread."""

from __future__ import annotations

import threading

import pytest

from vxa.ui.live import Live
from vxa.ui.local import Pace


def no_stop() -> None:
    raise AssertionError("nobody went away")


def test_what_is_told_is_heard_and_the_result_comes_last():
    heard = threading.Event()

    def work(tell):  # type: ignore[no-untyped-def]
        tell(0.5, "half")
        assert heard.wait(60)
        return "made"

    live = Live(work, no_stop)
    told = []
    for one in live:
        told.append(one)
        heard.set()
    assert (told, live.result()) == ([(0.5, "half")], "made")


def test_who_comes_late_hears_the_newest_alone():
    first, rest = threading.Event(), threading.Event()

    def work(tell):  # type: ignore[no-untyped-def]
        tell(0.0, "first")
        assert first.wait(60)
        for number in range(100):
            tell(number / 100, str(number))
        rest.set()
        assert last.wait(60)

    last = threading.Event()
    following = iter(live := Live(work, no_stop))
    assert next(following) == (0.0, "first")
    first.set()
    assert rest.wait(60)
    assert next(following) == (0.99, "99")
    last.set()
    assert list(following) == []
    assert live.result() is None


def test_what_goes_wrong_is_raised_where_the_result_is_asked_for():
    def work(tell):  # type: ignore[no-untyped-def]
        tell(0.1, "begun")
        raise KeyError("lost")

    live = Live(work, no_stop)
    assert len(list(live)) <= 1
    with pytest.raises(KeyError, match="lost"):
        live.result()


def test_a_follower_who_goes_away_stops_the_work():
    stopped = threading.Event()

    def work(tell):  # type: ignore[no-untyped-def]
        tell(0.1, "begun")
        assert stopped.wait(60)
        return "ended"

    live = Live(work, stopped.set)
    following = iter(live)
    next(following)
    following.close()  # type: ignore[attr-defined]
    assert live.result() == "ended"


def test_looks_take_no_more_than_their_share_of_the_time():
    now, looks = 0.0, []

    def look() -> None:
        nonlocal now
        looks.append(now)
        now += 2.0

    pace = Pace(0.25, lambda: now)
    while now < 32:
        pace.take(look)
        now += 1.0
    assert looks == [0.0, 8.0, 16.0, 24.0]
