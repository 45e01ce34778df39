from __future__ import annotations

import threading

import pytest

from vxa.ui.turns import Turns


def test_turns_come_in_the_order_of_asking_and_one_at_a_time():
    turns, done, running, overlaps = Turns(), [], [], []
    first_is_in, leave = threading.Event(), threading.Event()

    def work(name: int, asked: threading.Event) -> None:
        def waiting(ahead: int) -> None:
            asked.set()

        with turns.turn(waiting):
            overlaps.extend(running)
            running.append(name)
            asked.set()
            if name == 0:
                first_is_in.set()
                assert leave.wait(30)
            running.remove(name)
            done.append(name)

    threads = []
    for name in range(4):
        asked = threading.Event()
        threads.append(threading.Thread(target=work, args=(name, asked)))
        threads[-1].start()
        assert asked.wait(30)
    leave.set()
    for thread in threads:
        thread.join(30)
    assert (done, overlaps) == ([0, 1, 2, 3], [])


def test_who_waits_knows_how_many_come_first_and_may_leave():
    turns, told = Turns(), []

    def leave(ahead: int) -> None:
        told.append(ahead)
        raise KeyError

    with turns.turn(), pytest.raises(KeyError), turns.turn(leave):
        raise AssertionError
    assert told == [1]
    with turns.turn():
        pass


def test_a_turn_that_fails_is_over():
    turns = Turns()
    with pytest.raises(ValueError, match="broken"), turns.turn():
        raise ValueError("broken")
    with turns.turn(lambda ahead: pytest.fail("nobody is before us")):
        pass
