from __future__ import annotations

from vxa.ui.asked import Asked
from vxa.ui.latest import Latest


def test_a_page_waits_for_what_it_asked_for_last():
    latest = Latest()
    first, second = Asked("1"), Asked("2")
    latest.ask("mine", first)
    assert latest.waits_for("mine", Asked("1"))
    latest.ask("mine", second)
    assert not latest.waits_for("mine", first)
    assert latest.waits_for("mine", second)
    assert not latest.waits_for("other", second)
    assert (latest.knows("mine"), latest.knows("other")) == (True, False)


def test_only_so_many_pages_are_remembered():
    latest = Latest()
    for number in range(1001):
        latest.ask(str(number), Asked())
    latest.ask("1", Asked())
    latest.ask("new", Asked())
    assert [latest.waits_for(page, Asked()) for page in ("0", "1", "2", "1000", "new")] == [
        False, True, False, True, True,
    ]  # fmt: skip
